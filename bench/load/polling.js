/** A client that polls as stock ones do: a GET that waits, and one POST at a time with all that is to be said. */
import { LoadClient } from './client.js';
import { Exchange } from './exchange.js';
import { Posts } from './posts.js';

/** What stands between the packets of a body. */
export const SEPARATOR = '\x1e';

/** The way of stock clients. `unwrap`: the payload in the answer to a poll; `wrap`: the body of a POST. */
export const PLAIN_POLLING = {
  path: '/socket.io/?EIO=4&transport=polling',
  unwrap: (body) => body,
  wrap: (payload) => payload,
};

/** The same in scripts, and forms: JSONP. */
export const JSONP_POLLING = {
  path: '/socket.io/?EIO=4&transport=polling&j=0',
  unwrap(body) {
    const text = body.toString();
    return Buffer.from(JSON.parse(text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'))));
  },
  wrap: (payload) => Buffer.from(`d=${encodeURIComponent(payload)}`),
  type: 'application/x-www-form-urlencoded',
};

const OK = Buffer.from('ok');

/** Opens a session and joins the root namespace; the session's id. */
export async function handshake(exchange, { path, unwrap, wrap } = PLAIN_POLLING) {
  const ask = (method, ...args) => new Promise((resolve) => exchange[method](...args, (body) => resolve(`${body}`)));
  const poll = async (target) => `${unwrap(Buffer.from(await ask('get', target)))}`;
  const open = await poll(`${path}&t=0`);
  if (!open.startsWith('0{')) throw new Error(`no handshake: ${open}`);
  const { sid } = JSON.parse(open.slice(1));
  const target = `${path}&sid=${sid}`;
  const taken = await ask('post', `${target}&t=1`, wrap(Buffer.from('40')));
  const answer = (await poll(`${target}&t=2`)).split(SEPARATOR);
  // where so many connect at a time that the first ping is due
  const joined = answer.filter((packet) => packet !== '2');
  if (joined.length < answer.length) await ask('post', `${target}&t=3`, wrap(Buffer.from('3')));
  if (taken !== 'ok' || !joined[0]?.startsWith('40{')) throw new Error(`namespace refused: ${taken}, ${answer}`);
  return sid;
}

export class PollingClient extends LoadClient {
  state = 'handshake';
  #requests = 0;

  async open({ scatter, way }) {
    const fail = (message) => this.fail(message);
    const { entry, port } = this.address;
    this.way = way;
    this.first = new Exchange({ ...this.address, port: entry }, fail, way.type);
    this.path = `${way.path}&sid=${await handshake(this.first, way)}`;
    await scatter();
    if (entry !== port) this.first.close();
    this.down = entry === port ? this.first : new Exchange(this.address, fail);
    const accepts = (answer) => answer.equals(OK);
    this.posts = new Posts(this, { target: () => this.#target(), accepts, wrap: way.wrap, type: way.type });
    this.state = 'open';
    this.#poll();
  }

  send(count) {
    if (count > 0) this.posts.send(count);
  }

  async close() {
    await this.posts.idle();
    this.state = 'closed';
    await this.posts.say(this.way.wrap(Buffer.from('1')));
    this.destroy();
  }

  destroy() {
    this.first?.close();
    this.posts?.close();
    this.down?.close();
  }

  /** Stock clients have a time stamp of their own in each request. */
  #target() {
    return `${this.path}&t=${(46_656 + this.#requests++).toString(36)}`;
  }

  #poll() {
    this.down.get(this.#target(), (body) => this.#polled(this.way.unwrap(body)));
  }

  #polled(payload) {
    if (this.state !== 'open') return;
    if (!this.take(payload)) this.#packets(payload.toString());
    if (this.state === 'open') this.#poll();
  }

  /** The slow path: bodies in which answers, broadcasts and heartbeats are mixed. */
  #packets(body) {
    for (const text of body.split(SEPARATOR)) {
      if (text === '2') void this.posts.say(this.way.wrap(Buffer.from('3')));
      else if (!this.take(Buffer.from(text))) this.fail(`unexpected packet ${text}`);
    }
  }
}
