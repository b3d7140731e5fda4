/** The part of the board everybody sees first, in board units (a tenth of a CSS pixel at 100 %). */
const HOME = { left: -8_000, top: -4_800, right: 8_000, bottom: 4_800 };
const UNITS = 10;
const ZOOM = { min: 0.08, max: 4 };
const GRID = 280;

/**
 * Shows strokes on a canvas, through a view that can be moved and zoomed.
 *
 * Strokes are kept in the server's order. The finished ones at the front are painted once, on a canvas of their own;
 * a frame repaints only what comes after them. An eraser takes away what is under it, so the order matters.
 */
export class Surface {
  view = { zoom: 1, x: 0, y: 0 };
  onview = () => {};
  #canvas;
  #context;
  #settled = document.createElement('canvas');
  #settledContext = this.#settled.getContext('2d');
  #settledCount = 0;
  #strokes = [];
  #byKey = new Map();
  #inks = {};
  #ratio = 1;
  #insets = { top: 0, bottom: 0 };
  #frame = 0;
  #wasMoved = false;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d');
    this.useColours();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  // ---- strokes

  get isEmpty() {
    return this.#strokes.length === 0;
  }

  get(key) {
    return this.#byKey.get(key);
  }

  reset(strokes) {
    this.#strokes = [];
    this.#byKey.clear();
    for (const stroke of strokes) this.add(stroke);
    if (strokes.length > 0 && !this.#wasMoved) this.fit();
    this.#repaint();
  }

  /** A stroke without `seq` is ours and not yet confirmed: it stays on top until the server has given it its place. */
  add(stroke) {
    Object.assign(stroke, { seq: stroke.seq ?? Infinity, path: new Path2D(), traced: 0 });
    this.#byKey.set(stroke.key, stroke);
    this.#strokes.push(stroke);
    this.#sort(stroke);
    this.#schedule();
    return stroke;
  }

  /** @param from how many points come before these; what is already there is skipped */
  extend(stroke, from, points, done) {
    const have = stroke.points.length / 2;
    if (from > have) return;
    if (this.#strokes.indexOf(stroke) < this.#settledCount) this.#repaint();
    stroke.points.push(...points.slice(2 * (have - from)));
    stroke.done ||= done;
    this.#schedule();
  }

  place(stroke, seq) {
    stroke.seq = seq;
    this.#sort(stroke);
    this.#schedule();
  }

  remove(keys) {
    for (const key of keys) this.#byKey.delete(key);
    this.#strokes = this.#strokes.filter(({ key }) => this.#byKey.has(key));
    this.#repaint();
  }

  #sort(stroke) {
    const before = this.#strokes.indexOf(stroke);
    this.#strokes.sort((a, b) => (a.seq === b.seq ? 0 : a.seq - b.seq));
    if (Math.min(before, this.#strokes.indexOf(stroke)) < this.#settledCount) this.#repaint();
  }

  // ---- view

  /** What covers the board at the top and at the bottom, in CSS pixels. */
  inset(top, bottom) {
    this.#insets = { top, bottom };
    if (!this.#wasMoved) this.fit();
  }

  toBoard(x, y) {
    const { zoom, x: left, y: top } = this.view;
    return { x: Math.round(((x - left) / zoom) * UNITS), y: Math.round(((y - top) / zoom) * UNITS) };
  }

  toScreen(x, y) {
    const { zoom, x: left, y: top } = this.view;
    return { x: (x / UNITS) * zoom + left, y: (y / UNITS) * zoom + top };
  }

  moveBy(dx, dy) {
    this.#look(this.view.zoom, this.view.x + dx, this.view.y + dy);
  }

  /** Zooms by a factor and leaves the board under the screen point (x, y) where it is. */
  zoomAt(x, y, factor) {
    const zoom = Math.min(ZOOM.max, Math.max(ZOOM.min, this.view.zoom * factor));
    const k = zoom / this.view.zoom;
    this.#look(zoom, x - (x - this.view.x) * k, y - (y - this.view.y) * k);
  }

  zoomBy(factor) {
    this.zoomAt(this.#canvas.clientWidth / 2, this.#canvas.clientHeight / 2, factor);
  }

  /** Shows the home area and everything that was drawn outside it. */
  fit() {
    const box = { ...HOME };
    for (const { points } of this.#strokes) {
      for (let i = 0; i < points.length; i += 2) {
        box.left = Math.min(box.left, points[i] - 200);
        box.right = Math.max(box.right, points[i] + 200);
        box.top = Math.min(box.top, points[i + 1] - 200);
        box.bottom = Math.max(box.bottom, points[i + 1] + 200);
      }
    }
    const { clientWidth: width, clientHeight } = this.#canvas;
    const height = clientHeight - this.#insets.top - this.#insets.bottom;
    if (width <= 0 || height <= 0) return;
    const zoom = Math.min(
      1,
      Math.max(ZOOM.min, UNITS * Math.min(width / (box.right - box.left), height / (box.bottom - box.top))),
    );
    this.#look(
      zoom,
      width / 2 - (((box.left + box.right) / 2) * zoom) / UNITS,
      this.#insets.top + height / 2 - (((box.top + box.bottom) / 2) * zoom) / UNITS,
    );
    this.#setMoved(false);
  }

  #setMoved(moved) {
    this.#wasMoved = moved;
    this.#canvas.parentElement.classList.toggle('moved', moved);
  }

  #look(zoom, x, y) {
    this.view = { zoom, x, y };
    this.#setMoved(true);
    const style = this.#canvas.parentElement.style;
    let grid = (GRID / UNITS) * zoom;
    while (grid < 16) grid *= 2;
    style.setProperty('--grid', `${grid}px`);
    style.setProperty('--grid-x', `${x - grid / 2}px`);
    style.setProperty('--grid-y', `${y - grid / 2}px`);
    this.#repaint();
    this.onview();
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#ratio = Math.min(2, window.devicePixelRatio || 1);
    for (const canvas of [this.#canvas, this.#settled]) {
      canvas.width = Math.max(1, Math.round(clientWidth * this.#ratio));
      canvas.height = Math.max(1, Math.round(clientHeight * this.#ratio));
    }
    if (this.#wasMoved) this.#repaint();
    else this.fit();
    this.#paint(); // at once: setting the size has emptied the canvas
  }

  // ---- painting

  /** Takes the inks from the style sheet again: the colour scheme may have changed. */
  useColours() {
    const probe = this.#canvas.parentElement.appendChild(document.createElement('i'));
    for (const ink of ['ink', 'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'violet']) {
      probe.style.color = `var(--ink-${ink})`;
      this.#inks[ink] = getComputedStyle(probe).color;
    }
    probe.remove();
    this.#repaint();
  }

  #repaint() {
    this.#settledCount = 0;
    this.#schedule();
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#settledCount === 0) this.#clear(this.#settledContext);
    this.#aim(this.#settledContext);
    while (this.#strokes[this.#settledCount]?.done) {
      this.#trace(this.#settledContext, this.#strokes[this.#settledCount]);
      this.#settledCount += 1;
    }
    this.#clear(this.#context);
    this.#context.drawImage(this.#settled, 0, 0);
    this.#aim(this.#context);
    for (let i = this.#settledCount; i < this.#strokes.length; i += 1) this.#trace(this.#context, this.#strokes[i]);
  }

  #clear(context) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalCompositeOperation = 'source-over';
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  #aim(context) {
    const scale = (this.view.zoom / UNITS) * this.#ratio;
    context.setTransform(scale, 0, 0, scale, this.view.x * this.#ratio, this.view.y * this.#ratio);
  }

  #trace(context, stroke) {
    const { path, points } = stroke;
    // Curves through the middles of the segments; only what is new is added to the path.
    for (; 2 * stroke.traced < points.length; stroke.traced += 1) {
      const i = 2 * stroke.traced;
      if (i === 0) path.moveTo(points[0], points[1]);
      else {
        const [x, y] = [points[i - 2], points[i - 1]];
        path.quadraticCurveTo(x, y, (x + points[i]) / 2, (y + points[i + 1]) / 2);
      }
    }
    // The last half segment would be in the way of the next curve, so it is not part of the path. It also makes a dot
    // of a single point.
    const whole = new Path2D(path);
    whole.lineTo(points.at(-2) + (points.length === 2 ? 0.1 : 0), points.at(-1));
    context.globalCompositeOperation = stroke.tool === 'eraser' ? 'destination-out' : 'source-over';
    context.strokeStyle = this.#inks[stroke.ink];
    context.lineWidth = stroke.width;
    context.lineCap = context.lineJoin = 'round';
    context.stroke(whole);
  }
}
