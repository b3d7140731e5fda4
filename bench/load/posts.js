/** POSTs of a client that sends up in requests: one at a time, each with all that is to be said. */
import { setTimeout as delay } from 'node:timers/promises';
import { Exchange } from './exchange.js';

export class Posts {
  #isBusy = false;
  /** Messages that wait for the end of a POST. */
  #waiting = 0;
  /** Bodies that belong to the protocol. */
  #own = [];

  /**
   * `target()`: the path of the next POST. `wrap`: what is put around messages. `accepts(body)`: whether an answer says that
   * all is well. `type`: the content type.
   */
  constructor(client, { target, accepts, wrap = (bytes) => bytes, type }) {
    this.client = client;
    this.target = target;
    this.accepts = accepts;
    this.wrap = wrap;
    this.exchange = new Exchange(client.address, (message) => client.fail(message), type);
  }

  /** So many of the load's messages more. */
  send(count) {
    this.#waiting += count;
    this.#next();
  }

  /** Something of the protocol; resolves when it is answered. */
  say(body) {
    return new Promise((resolve) => {
      this.#own.push({ body, resolve });
      this.#next();
    });
  }

  async idle() {
    while (this.#isBusy) await delay(1);
  }

  close() {
    this.exchange.close();
  }

  #next() {
    if (this.#isBusy || (this.#own.length === 0 && this.#waiting === 0)) return;
    this.#isBusy = true;
    const own = this.#own.shift();
    const count = own ? 0 : this.#waiting;
    const body = own ? own.body : this.wrap(this.client.load.requests.slice(this.client.sent, count));
    this.client.sent += count;
    this.#waiting -= count;
    this.exchange.post(this.target(), body, (answer) => {
      this.#isBusy = false;
      if (!this.accepts(answer)) return this.client.fail(`a POST is answered with ${answer}`);
      own?.resolve();
      if (count > 0 && this.client.load.isOneWay) this.client.answered(count);
      this.#next();
    });
  }
}
