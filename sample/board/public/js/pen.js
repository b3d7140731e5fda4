/** Points are sent this often, in milliseconds: with each frame. The server gathers them for the others. */
const FLUSH_EVERY = 16;
const CURSOR_EVERY = 50;
/** A second finger within this time makes the gesture a pinch, not a stroke. */
const PINCH_GRACE = 150;
const KEY_STEP = 10;
const ERASER_FACTOR = 3;

const newId = () => Math.random().toString(36).slice(2, 12).padEnd(6, '0');

/** Turns pointers and keys into strokes. */
export class Pen {
  #session;
  #surface;
  #outbox;
  #canvas;
  #settings;
  #crosshair;
  #current = null;
  #pointers = new Map();
  #gesture = null;
  #keyPoint = null;
  #flushTimer = 0;
  #cursorAt = 0;

  /** @param settings gives `tool`, `ink` and `width` as they are chosen now */
  constructor({ session, surface, outbox, canvas, crosshair, settings }) {
    this.#session = session;
    this.#surface = surface;
    this.#outbox = outbox;
    this.#canvas = canvas;
    this.#crosshair = crosshair;
    this.#settings = settings;

    canvas.addEventListener('pointerdown', (event) => this.#down(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    for (const type of ['pointerup', 'pointercancel']) canvas.addEventListener(type, (event) => this.#up(event));
    canvas.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener('keydown', (event) => this.#key(event));
    canvas.addEventListener('focus', () => canvas.matches(':focus-visible') && this.#showCrosshair());
    canvas.addEventListener('blur', () => this.#hideCrosshair());
  }

  // ---- strokes

  #begin({ x, y }, holdBack = false) {
    if (!this.#session.me) return;
    const { tool, ink, width } = this.#settings();
    this.#current = this.#surface.add({
      key: `${this.#session.me.owner}/${newId()}`,
      tool,
      ink,
      width: this.#onScreen(tool === 'eraser' ? width * ERASER_FACTOR : width),
      points: [x, y],
      done: false,
      holdUntil: holdBack ? performance.now() + PINCH_GRACE : 0,
    });
    this.#outbox.add(this.#current);
    this.#schedule();
  }

  /** A line is as wide on this screen as the chosen tool shows, at any zoom. */
  #onScreen(width) {
    const { minWidth, maxWidth } = this.#session.limits;
    return Math.max(minWidth, Math.min(maxWidth, Math.round(width / this.#surface.view.zoom)));
  }

  #extend({ x, y }) {
    const stroke = this.#current;
    if (!stroke) return;
    const step = 15 / this.#surface.view.zoom;
    if (Math.hypot(x - stroke.points.at(-2), y - stroke.points.at(-1)) < step) return;
    const bound = this.#session.limits.coordinate;
    const at = [Math.max(-bound, Math.min(bound, x)), Math.max(-bound, Math.min(bound, y))];
    this.#surface.extend(stroke, stroke.points.length / 2, at, false);
    if (stroke.points.length / 2 >= this.#session.limits.strokePoints) {
      this.#end();
      this.#begin({ x: at[0], y: at[1] });
    }
    this.#schedule();
  }

  #end() {
    const stroke = this.#current;
    this.#current = null;
    if (!stroke) return;
    this.#surface.extend(stroke, stroke.points.length / 2, [], true);
    this.#outbox.send(stroke);
  }

  #cancel() {
    if (!this.#current) return;
    this.#outbox.forget([this.#current.key]);
    this.#surface.remove([this.#current.key]);
    this.#current = null;
  }

  #schedule() {
    if (this.#flushTimer) return;
    this.#flushTimer = setTimeout(() => {
      this.#flushTimer = 0;
      const stroke = this.#current;
      if (!stroke) return;
      if (performance.now() < stroke.holdUntil) this.#schedule();
      else this.#outbox.send(stroke);
    }, FLUSH_EVERY);
  }

  /** These strokes are gone from the board; without keys, all. */
  forget(keys) {
    this.#outbox.forget(keys);
    if (!keys || keys.includes(this.#current?.key)) this.#current = null;
  }

  // ---- pointers

  #at(event) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #down(event) {
    if (this.#pointers.size > 1) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#canvas.focus({ preventScroll: true, focusVisible: false });
    this.#hideCrosshair();
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, at);
    if (this.#pointers.size === 2) {
      if (this.#current && performance.now() < this.#current.holdUntil) this.#cancel();
      else this.#end();
      this.#gesture = 'pinch';
    } else if (event.button === 1 || this.#settings().tool === 'hand') {
      this.#gesture = 'move';
      this.#canvas.classList.add('moving');
      event.preventDefault();
    } else if (event.button === 0) {
      this.#gesture = 'draw';
      this.#begin(this.#surface.toBoard(at.x, at.y), event.pointerType === 'touch');
    }
  }

  #move(event) {
    const at = this.#at(event);
    this.#tellCursor(this.#surface.toBoard(at.x, at.y));
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    if (this.#gesture === 'draw') {
      const steps = event.getCoalescedEvents?.() ?? [];
      for (const step of steps.length > 0 ? steps : [event]) {
        const { x, y } = this.#at(step);
        this.#extend(this.#surface.toBoard(x, y));
      }
    } else if (this.#gesture === 'move') {
      this.#surface.moveBy(at.x - before.x, at.y - before.y);
    } else if (this.#gesture === 'pinch') {
      const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const apart = (a) => Math.max(1, Math.hypot(a.x - other.x, a.y - other.y));
        this.#surface.moveBy((at.x - before.x) / 2, (at.y - before.y) / 2);
        this.#surface.zoomAt((at.x + other.x) / 2, (at.y + other.y) / 2, apart(at) / apart(before));
      }
    }
    this.#pointers.set(event.pointerId, at);
  }

  #up(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    if (this.#gesture === 'draw') this.#end();
    if (this.#gesture !== 'pinch' || this.#pointers.size === 0) this.#gesture = null;
    this.#canvas.classList.remove('moving');
  }

  #wheel(event) {
    event.preventDefault();
    const { x, y } = this.#at(event);
    if (event.ctrlKey || event.metaKey) this.#surface.zoomAt(x, y, Math.exp(-event.deltaY / 200));
    else this.#surface.moveBy(-event.deltaX, -event.deltaY);
  }

  #tellCursor(point) {
    const now = performance.now();
    const bound = this.#session.limits?.coordinate ?? 0;
    if (now - this.#cursorAt < CURSOR_EVERY || Math.max(Math.abs(point.x), Math.abs(point.y)) > bound) return;
    this.#cursorAt = now;
    this.#session.whisper('cursor', point);
  }

  // ---- keys

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = KEY_STEP * (event.shiftKey ? 5 : 1);
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (Object.hasOwn(moves, event.key)) {
      const [dx, dy] = moves[event.key];
      this.#showCrosshair();
      const { clientWidth, clientHeight } = this.#canvas;
      const x = Math.max(0, Math.min(clientWidth, this.#keyPoint.x + dx * step));
      const y = Math.max(0, Math.min(clientHeight, this.#keyPoint.y + dy * step));
      this.#keyPoint = { x, y };
      this.#showCrosshair();
      const point = this.#surface.toBoard(x, y);
      this.#extend(point);
      this.#tellCursor(point);
    } else if (event.key === ' ' || event.key === 'Enter') {
      this.#showCrosshair();
      if (this.#current) this.#end();
      else if (this.#settings().tool !== 'hand') this.#begin(this.#surface.toBoard(this.#keyPoint.x, this.#keyPoint.y));
      this.#showCrosshair();
    } else if (event.key === 'Escape') {
      this.#end();
      this.#showCrosshair();
    } else return;
    event.preventDefault();
  }

  #showCrosshair() {
    this.#keyPoint ??= { x: this.#canvas.clientWidth / 2, y: this.#canvas.clientHeight / 2 };
    this.#crosshair.hidden = false;
    this.#crosshair.style.transform = `translate(${this.#keyPoint.x}px, ${this.#keyPoint.y}px)`;
    this.#crosshair.classList.toggle('down', this.#current !== null);
  }

  #hideCrosshair() {
    if (this.#crosshair.hidden) return;
    this.#end();
    this.#crosshair.hidden = true;
  }
}
