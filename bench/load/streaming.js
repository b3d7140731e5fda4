/** A client of our own streaming transports: one long response down, POSTs up, with resume as `nestwire/client` has it. */
import { LoadClient } from './client.js';
import { HttpStream } from './http-stream.js';
import { SEPARATOR } from './polling.js';
import { Posts } from './posts.js';

/** Bytes after which a client that only listens confirms (docs/protocol.md, 2). */
const CONFIRM_BYTES = 64 * 1024;

const OK = Buffer.from('ok');
const EMPTY = Buffer.alloc(0);

/** Calls `take` for what comes in pieces. */
export function splitter(envelope, take) {
  let rest = null;
  return (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    const used = envelope.split(bytes, take);
    rest = used === bytes.length ? null : Buffer.from(bytes.subarray(used));
  };
}

export class StreamingClient extends LoadClient {
  state = 'handshake';
  #frames = 0;
  #posted = 0;
  #unconfirmed = 0;

  /**
   * `way`: `name` of the transport, and its `envelope`; `query(port)`: of the request for a stream; `isJson`: packets are JSON strings
   * with commas between them.
   */
  open({ way }) {
    this.isJson = way.isJson === true;
    this.path = `/socket.io/?EIO=4&transport=${way.name}`;
    this.split = splitter(way.envelope, (kind, payload) => this.#took(kind, payload));
    const ready = new Promise((resolve) => (this.ready = resolve));
    const accepts = (answer) => answer.equals(OK);
    this.posts = new Posts(this, { target: () => this.#target(), accepts });
    this.stream = new HttpStream(
      this.address,
      { method: 'GET', path: `${this.path}&resume=1${way.query?.(this.address.port) ?? ''}` },
      {
        body: (bytes) => this.#read(bytes),
        ended: () => this.fail('the response has ended'),
        fail: (message) => this.fail(message),
      },
    );
    return ready;
  }

  send(count) {
    if (count > 0) this.posts.send(count);
  }

  pause() {
    this.stream.pause();
  }

  async close() {
    await this.posts.idle();
    this.state = 'closed';
    await this.posts.say(Buffer.from('1'));
    this.destroy();
  }

  destroy() {
    this.stream?.close();
    this.posts?.close();
  }

  #target() {
    return `${this.path}&sid=${this.sid}&seq=${++this.#posted}&ack=${this.#frames}`;
  }

  #read(bytes) {
    this.#unconfirmed += bytes.length;
    this.split(bytes);
    if (this.#unconfirmed < CONFIRM_BYTES || this.state !== 'open') return;
    this.#unconfirmed = 0;
    void this.posts.say(EMPTY);
  }

  #took(kind, payload) {
    if (kind === 'skip' || this.state === 'closed') return;
    if (kind === 'end') return this.fail('the stream has come to an end');
    this.#frames++;
    if (this.state === 'open' && this.take(payload)) return;
    const texts = this.isJson ? JSON.parse(`[${payload}]`) : payload.toString().split(SEPARATOR);
    for (const text of texts) this.#packet(text);
  }

  /** The slow path: handshakes, heartbeats, and payloads that are mixed. */
  #packet(text) {
    if (text === '2') void this.posts.say(Buffer.from('3'));
    else if (this.state === 'handshake' && text.startsWith('0{')) {
      this.sid = JSON.parse(text.slice(1)).sid;
      void this.posts.say(Buffer.from('40'));
    } else if (this.state === 'handshake' && text.startsWith('40{')) {
      this.state = 'open';
      this.ready();
    } else if (this.state !== 'open' || !this.take(this.#encoded(text))) this.fail(`unexpected packet ${text}`);
  }

  #encoded(text) {
    return Buffer.from(this.isJson ? JSON.stringify(text) : text);
  }
}
