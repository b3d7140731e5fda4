import { showAttempts } from './attempt-list.js';
import { Attempts } from './attempts.js';
import { byId } from './dom.js';
import { milliseconds } from './people.js';
import { RttChart } from './rtt-chart.js';
import { RttHistory } from './rtt-history.js';
import { TransportChoice } from './transport-choice.js';
import { labelOf } from './transports.js';

/** Milliseconds between two looks at what changes without an event: the time, and attempts that begin. */
const LOOK_EVERY = 250;

/** Which transports may be used, which one is and why, and how long a round trip takes. */
export class ConnectionPanel {
  #session;
  #choice;
  #attempts = new Attempts();
  #history = new RttHistory(performance.now());
  #chart = new RttChart(byId('rtt-chart'), this.#history);
  #shown = '';

  constructor(session) {
    this.#session = session;
    this.#choice = new TransportChoice(() => this.#connect('chosen'));
    byId('try-again').addEventListener('click', () => this.#connect('chosen'));
    session.addEventListener('attempts', ({ detail: { attempts, cause } }) => {
      this.#attempts.add(attempts, cause);
      this.#showAttempts();
    });
    session.addEventListener('fallback', () => this.#showAttempts());
    session.addEventListener('transport', ({ detail: transport }) => this.#showTransport(transport, 'No connection'));
    session.addEventListener('rtt', ({ detail: { rtt, transport } }) => this.#showRtt(rtt, transport));
    setInterval(() => document.hidden || this.#look(), LOOK_EVERY);
  }

  /** Connects for the first time. */
  open() {
    this.#connect('opened');
  }

  #connect(cause) {
    this.#showTransport('', 'Connecting…');
    this.#session.connect(this.#choice.names, cause);
  }

  #showTransport(transport, none) {
    if (transport === '') this.#history.disconnected(performance.now());
    else this.#history.connected(transport, performance.now());
    byId('transport').textContent = transport === '' ? none : labelOf(transport);
    for (const id of ['in-use', 'connection-light']) byId(id).dataset.transport = transport;
    if (transport === '') byId('rtt').textContent = '–';
    this.#look();
  }

  #showRtt(rtt, transport) {
    this.#history.sample(rtt, transport, performance.now());
    byId('rtt').textContent = milliseconds(rtt);
    const beat = byId('beat');
    beat.classList.remove('beat');
    void beat.offsetWidth; // starts the animation anew
    beat.classList.add('beat');
    this.#look();
  }

  #look() {
    const now = performance.now();
    this.#chart.draw(now);
    const figures = this.#history.figures(now);
    byId('rtt-figures').textContent = figures
      ? `Round trip: median ${milliseconds(figures.median)} ms, max ${milliseconds(figures.max)} ms`
      : 'Nothing measured in the last minute';
    this.#showAttempts();
  }

  #showAttempts() {
    const { connections } = this.#attempts;
    const inUse = this.#session.transport;
    // Lists that did not change stay as they are: somebody may be reading, or selecting text.
    const seen = JSON.stringify([connections, inUse, this.#choice.names]);
    if (seen === this.#shown) return;
    this.#shown = seen;
    this.#choice.show((name, isAllowed) => this.#attempts.verdict(name, isAllowed, inUse));
    byId('attempt-count').textContent = String(connections[0]?.attempts.length ?? 0);
    showAttempts(byId('attempts'), connections);
  }
}
