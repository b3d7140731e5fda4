import { element, icon } from './dom.js';

const REACTIONS = { heart: 'Heart', star: 'Star', thumb: 'Thumb up', laugh: 'Laugh', party: 'Party' };
/** How many pictures of a kind fly at a time, however many people react. */
const MOST_FLIGHTS = 8;
/** Milliseconds without a reaction before those who do not see it are told: a flood is summed up. */
const QUIET = 1_500;

const isCalm = matchMedia('(prefers-reduced-motion: reduce)');
const between = (least, most) => least + Math.random() * (most - least);
const shortly = new Intl.NumberFormat([], { notation: 'compact' });

/** Buttons to react with. They show how often everybody has, and let a picture fly for each. */
export class Reactions {
  #buttons = new Map();
  #tally = null;
  #status;
  #untold = new Map();
  #timer = 0;

  /**
   * @param bar where the buttons go
   * @param status a live region
   * @param react called with the name of a reaction
   */
  constructor({ bar, status, react }) {
    this.#status = status;
    for (const [name, label] of Object.entries(REACTIONS)) {
      const picture = icon(`r-${name}`);
      const count = element('span', { class: 'times' });
      const button = element('button', { type: 'button', class: 'reaction', title: label, 'data-reaction': name });
      button.append(picture, count);
      button.addEventListener('click', () => {
        if (!isCalm.matches) picture.animate([{ scale: 1.45, rotate: '-12deg' }, {}], 250);
        react(name);
      });
      this.#buttons.set(name, { button, count, flights: 0 });
      bar.append(button);
    }
  }

  /** Shows a tally as it stands when one comes in. */
  reset(tally) {
    this.#tally = tally;
    for (const name of this.#buttons.keys()) this.#show(name);
  }

  update(tally) {
    const before = this.#tally ?? tally;
    this.#tally = tally;
    for (const name of this.#buttons.keys()) {
      const more = tally[name] - before[name];
      if (more <= 0) continue;
      this.#show(name);
      for (let i = 0; i < more; i += 1) this.#fly(name);
      this.#untold.set(name, (this.#untold.get(name) ?? 0) + more);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tell(), QUIET);
  }

  #show(name) {
    const { button, count } = this.#buttons.get(name);
    const times = this.#tally[name];
    count.textContent = times > 0 ? shortly.format(times) : '';
    button.setAttribute('aria-label', `${REACTIONS[name]}, ${times}`);
  }

  #fly(name) {
    const kind = this.#buttons.get(name);
    if (isCalm.matches || document.hidden || kind.flights >= MOST_FLIGHTS) return;
    const flight = element('span', { class: 'flight', 'aria-hidden': 'true' }, icon(`r-${name}`));
    kind.button.append(flight);
    kind.flights += 1;
    const [far, high, sway] = [between(-150, -50), between(-420, -240), between(-40, 40)];
    const delay = kind.flights * 60;
    const { finished } = flight.animate(
      [
        { translate: '0 0', scale: 0.6, opacity: 0 },
        { translate: `${far * 0.5 + sway}px ${high * 0.3}px`, scale: 1.25, opacity: 1, offset: 0.3 },
        { translate: `${far - sway}px ${high * 0.7}px`, scale: 1.1, opacity: 1, offset: 0.7 },
        { translate: `${far}px ${high}px`, rotate: `${between(-30, 30)}deg`, scale: 0.9, opacity: 0 },
      ],
      { duration: between(1_600, 2_300), delay, easing: 'ease-out', fill: 'backwards' },
    );
    void finished.finally(() => {
      flight.remove();
      kind.flights -= 1;
    });
  }

  #tell() {
    this.#status.textContent = [...this.#untold].map(([name, times]) => `${REACTIONS[name]}, ${times} more`).join('; ');
    this.#untold.clear();
  }
}
