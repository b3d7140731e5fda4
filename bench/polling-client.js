/** A client that polls as stock ones do: a GET that waits, and one POST at a time with all that is to be said. */
import { setTimeout as delay } from 'node:timers/promises';
import { Exchange } from './exchange.js';
import { LoadClient } from './load-client.js';

/** What stands between the packets of a body. */
export const SEPARATOR = '\x1e';

const PATH = '/socket.io/?EIO=4&transport=polling';
const OK = Buffer.from('ok');
const PONG = Buffer.from('3');
const CLOSE = Buffer.from('1');

/** Opens a session and joins the root namespace; the session's id. */
export async function handshake(exchange) {
  const ask = (method, ...args) =>
    new Promise((resolve) => exchange[method](...args, (body) => resolve(body.toString())));
  const open = await ask('get', `${PATH}&t=0`);
  if (!open.startsWith('0{')) throw new Error(`no handshake: ${open}`);
  const { sid } = JSON.parse(open.slice(1));
  const target = `${PATH}&sid=${sid}`;
  const taken = await ask('post', `${target}&t=1`, Buffer.from('40'));
  const joined = await ask('get', `${target}&t=2`);
  if (taken !== 'ok' || !joined.startsWith('40{')) throw new Error(`namespace refused: ${taken}, ${joined}`);
  return sid;
}

export class PollingClient extends LoadClient {
  state = 'handshake';
  #requests = 0;
  #isPosting = false;
  /** Messages that wait for the end of a POST. */
  #waiting = 0;
  #pong = false;

  async open({ scatter }) {
    const fail = (message) => this.fail(message);
    const { entry, port } = this.address;
    const first = new Exchange({ ...this.address, port: entry }, fail);
    this.path = `${PATH}&sid=${await handshake(first)}`;
    await scatter();
    if (entry !== port) first.close();
    this.down = entry === port ? first : new Exchange(this.address, fail);
    this.up = new Exchange(this.address, fail);
    this.state = 'open';
    this.#poll();
  }

  send(count) {
    this.#waiting += count;
    if (this.#waiting > 0 && !this.#isPosting) this.#post();
  }

  async close() {
    while (this.#isPosting) await delay(1);
    this.state = 'closed';
    await new Promise((resolve) => this.up.post(this.#target(), CLOSE, resolve));
    this.destroy();
  }

  destroy() {
    this.up?.close();
    this.down?.close();
  }

  /** Stock clients have a time stamp of their own in each request. */
  #target() {
    return `${this.path}&t=${(46_656 + this.#requests++).toString(36)}`;
  }

  #post() {
    const body = this.#pong ? PONG : this.load.requests.slice(this.sent, this.#waiting);
    if (!this.#pong) {
      this.sent += this.#waiting;
      this.#waiting = 0;
    }
    this.#pong = false;
    this.#isPosting = true;
    this.up.post(this.#target(), body, (answer) => {
      this.#isPosting = false;
      if (!answer.equals(OK)) this.fail(`a POST is answered with ${answer}`);
      else if (this.#waiting > 0 || this.#pong) this.#post();
    });
  }

  #poll() {
    this.down.get(this.#target(), (body) => this.#polled(body));
  }

  #polled(body) {
    if (this.state !== 'open') return;
    const { answers, news } = this.load;
    let answered = answers.match(this.received, body, body.length);
    const heard = answered > 0 ? 0 : news.match(this.heard, body, body.length);
    if (heard > 0) this.delivered(heard);
    else if (answered === 0) answered = this.#packets(body.toString());
    this.#poll();
    if (answered > 0) this.answered(answered);
  }

  /** The slow path: bodies in which answers, broadcasts and heartbeats are mixed; how many answers there are. */
  #packets(body) {
    let answered = 0;
    for (const text of body.split(SEPARATOR)) {
      const packet = Buffer.from(text);
      if (this.load.answers.match(this.received + answered, packet, packet.length) === 1) answered++;
      else if (this.load.news.match(this.heard, packet, packet.length) === 1) this.delivered(1);
      else if (text === '2') this.#pong = true;
      else this.fail(`unexpected packet ${text}`);
    }
    if (this.#pong && !this.#isPosting) this.#post();
    return answered;
  }
}
