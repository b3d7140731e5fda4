/** One long response in chunks (RFC 9112, 7.1) on a raw socket. */
import { connect } from 'node:net';
import { headersOfRequest } from './browser.js';

/** One buffer for all sockets: what a read brings is dealt with before the next one begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

/** States: what the next byte belongs to. */
const HEAD = 0;
const SIZE = 1;
const DATA = 2;
const AFTER = 3;

export class HttpStream {
  #socket;
  #state = HEAD;
  #text = '';
  #missing = 0;

  /** `body(bytes)`: valid during the call only. `ended()`: the response is complete. `fail(message)`: anything else. */
  constructor({ port, localAddress, cookie }, request, { body, ended, fail }) {
    this.body = body;
    this.ended = ended;
    this.fail = fail;
    const callback = (length) => {
      this.#read(readBuffer, length);
      return true;
    };
    const onread = { buffer: readBuffer, callback };
    this.#socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true, onread });
    this.#socket.on('error', (error) => this.fail(error.message));
    this.#socket.on('close', () => this.fail('the stream was closed'));
    const { method, path } = request;
    const length = method === 'POST' ? 'Content-Length: 0\r\n' : '';
    this.#socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${length}Cookie: client=${cookie}\r\n` +
        `${headersOfRequest(method, port)}\r\n`,
    );
  }

  pause() {
    this.#socket.pause();
  }

  close() {
    this.fail = () => undefined;
    this.ended = () => undefined;
    this.body = () => undefined;
    this.#socket.destroy();
  }

  #read(bytes, length) {
    let at = 0;
    while (at < length) {
      if (this.#state === DATA) {
        const end = Math.min(length, at + this.#missing);
        this.#missing -= end - at;
        if (this.#missing === 0) this.#state = AFTER;
        this.body(bytes.subarray(at, end));
        at = end;
      } else {
        const end = bytes.indexOf(10, at);
        const isLine = end !== -1 && end < length;
        this.#text += bytes.latin1Slice(at, isLine ? end + 1 : length);
        at = isLine ? end + 1 : length;
        if (isLine) this.#line();
      }
    }
  }

  /** A line of the head, a chunk's size, or the end of a chunk. */
  #line() {
    const text = this.#text;
    if (this.#state === HEAD) {
      if (!text.endsWith('\r\n\r\n')) return;
      if (!text.startsWith('HTTP/1.1 200 ') || !/\r\ntransfer-encoding: chunked\r\n/i.test(text)) {
        return this.fail(`answered with ${text}`);
      }
      this.#state = SIZE;
    } else if (this.#state === AFTER) {
      this.#state = SIZE;
    } else {
      this.#missing = Number.parseInt(text, 16);
      if (this.#missing === 0) this.ended();
      this.#state = this.#missing === 0 ? AFTER : DATA;
    }
    this.#text = '';
  }
}
