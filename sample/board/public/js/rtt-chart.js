import { drawing } from './dom.js';
import { milliseconds } from './people.js';
import { SPAN } from './rtt-history.js';
import { labelOf } from './transports.js';

/** Room around the plot, in CSS pixels. */
const ABOVE = 16;
const BELOW = 17;

/** Milliseconds of a gap that is shaded: a pixel and a half. A shorter one is where the line breaks. */
const SHORTEST_GAP = 300;

/** Upper ends of the scale whose halves are round too. */
const TOPS = [6, 10, 15, 20, 30, 40];

function roundUp(value) {
  for (let power = 1; ; power *= 10) {
    const top = TOPS.find((step) => value <= step * power);
    if (top) return top * power;
  }
}

/** Room for the name of a transport, and for what was measured. */
const LABEL = 84;
const READING = 100;

const px = (value) => Math.round(value * 10) / 10;

/** Draws the last minute, with the present at the right edge. */
export class RttChart {
  #svg;
  #plot = drawing('g');
  #history;
  /** Where the pointer is, in CSS pixels from the left, or null. */
  #pointer = null;

  /** @param svg with a pattern `no-connection` among its definitions */
  constructor(svg, history) {
    this.#svg = svg;
    this.#history = history;
    svg.append(this.#plot);
    new ResizeObserver(() => this.draw(performance.now())).observe(svg);
    for (const type of ['pointermove', 'pointerdown']) {
      svg.addEventListener(type, ({ clientX }) => this.#point(clientX - svg.getBoundingClientRect().left));
    }
    svg.addEventListener('pointerleave', () => this.#point(null));
  }

  draw(now) {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    if (width === 0) return; // in a sheet that is closed
    this.#history.forget(now);
    const { samples } = this.#history;
    const top = roundUp(Math.max(0, ...samples.map(({ rtt }) => rtt)) * 1.1);
    const scale = {
      width,
      top,
      floor: height - BELOW,
      x: (at) => px(width * (1 - (now - at) / SPAN)),
      y: (rtt) => px(height - BELOW - (rtt / top) * (height - BELOW - ABOVE)),
    };
    const reading = this.#reading(scale, now);
    this.#plot.replaceChildren(
      ...this.#gaps(scale, now),
      ...this.#lines(scale),
      ...this.#history.runs().map((run) => this.#run(run, scale)),
      ...this.#changes(scale),
      ...this.#words(scale),
      ...(reading ? [reading] : this.#times(scale)),
    );
  }

  #point(x) {
    this.#pointer = x;
    this.draw(performance.now());
  }

  #lines({ width, top, y }) {
    return [0, top / 2, top].map((rtt) =>
      drawing('path', { class: rtt === 0 ? 'axis' : 'grid', d: `M0,${y(rtt)}H${width}` }),
    );
  }

  #words({ top, y }) {
    return [top / 2, top].map((rtt) => drawing('text', { x: 0, y: y(rtt) - 4 }, `${rtt} ms`));
  }

  #times({ width, floor }) {
    const time = (x, anchor, text) => drawing('text', { x, y: floor + 14, 'text-anchor': anchor }, text);
    return [time(0, 'start', '1 min ago'), time(width / 2, 'middle', '30 s ago'), time(width, 'end', 'now')];
  }

  #run(run, { floor, x, y }) {
    const points = run.map(({ at, rtt }) => `${x(at)},${y(rtt)}`);
    const first = x(run[0].at);
    const last = x(run.at(-1).at);
    return drawing(
      'g',
      { class: 'run', 'data-transport': run[0].transport },
      drawing('path', { class: 'area', d: `M${first},${floor}L${points.join('L')}L${last},${floor}Z` }),
      // A line of no length is a dot.
      drawing('path', { class: 'line', d: `M${points.join('L')}h0.01` }),
    );
  }

  #gaps({ floor, x, width }, now) {
    return this.#history.gaps
      .filter(({ from, to }) => to - from > SHORTEST_GAP)
      .map(({ from, to }) => {
        const left = Math.max(0, x(from));
        const right = Math.min(width, x(Math.min(to, now)));
        return drawing('rect', {
          class: 'gap',
          x: left,
          y: ABOVE,
          width: Math.max(0, px(right - left)),
          height: floor - ABOVE,
        });
      });
  }

  #changes({ width, floor, x }) {
    // Newest first: where there is no room for all names, the older ones go without. At the left the scale has its words.
    let room = width;
    return this.#history.changes.toReversed().map(({ at, transport }) => {
      const left = x(at);
      const mark = drawing('g', { class: 'mark', 'data-transport': transport });
      mark.append(drawing('path', { d: `M${left},${ABOVE - 2}V${floor}` }));
      const [anchor, from] = left + LABEL > width ? ['end', left - LABEL] : ['start', left];
      if (from > LABEL / 2 && from + LABEL <= room) {
        mark.append(drawing('text', { x: left, y: ABOVE - 5, 'text-anchor': anchor }, labelOf(transport)));
        room = from;
      }
      return mark;
    });
  }

  /** What was measured where the pointer is, in place of the times. */
  #reading({ width, floor, x, y }, now) {
    const { samples } = this.#history;
    if (this.#pointer === null || samples.length === 0) return null;
    const distance = ({ at }) => Math.abs(x(at) - this.#pointer);
    const nearest = samples.reduce((best, sample) => (distance(sample) < distance(best) ? sample : best));
    if (distance(nearest) > 12) return null;
    const left = x(nearest.at);
    const words = `${milliseconds(nearest.rtt)} ms, ${Math.round((now - nearest.at) / 1000)} s ago`;
    const middle = Math.min(width - READING / 2, Math.max(READING / 2, left));
    return drawing(
      'g',
      { class: 'reading', 'data-transport': nearest.transport },
      drawing('path', { d: `M${left},${ABOVE}V${floor}` }),
      drawing('circle', { cx: left, cy: y(nearest.rtt), r: 3.5 }),
      drawing('text', { x: middle, y: floor + 14, 'text-anchor': 'middle' }, words),
    );
  }
}
