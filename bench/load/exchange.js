/** HTTP/1.1 on a raw socket that is kept alive: one request, then its answer, then the next request. */
import { connect } from 'node:net';
import { headersOfRequest } from './browser.js';

/** One buffer for all sockets: what a read brings is dealt with before the next one begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

export class Exchange {
  #socket = null;
  #rest = null;
  #done = null;
  /** The request that waits for its answer, and how many the connection has answered. */
  #request = null;
  #answers = 0;

  /** `fail(message)` is called when an answer is neither 200 nor 204, or something else is wrong. `type`: of what is posted. */
  constructor({ port, localAddress, cookie }, fail, type = 'text/plain;charset=UTF-8') {
    this.type = type;
    this.address = { host: '127.0.0.1', port, localAddress };
    this.fail = fail;
    const host = `Host: 127.0.0.1:${port}\r\nCookie: client=${cookie}\r\n`;
    this.getHeaders = host + headersOfRequest('GET', port);
    this.postHeaders = host + headersOfRequest('POST', port);
  }

  /** `done(body)`: the bytes are valid during the call only. */
  get(path, done) {
    this.#begin(Buffer.from(`GET ${path} HTTP/1.1\r\n${this.getHeaders}\r\n`, 'latin1'), done);
  }

  post(path, body, done) {
    const head =
      `POST ${path} HTTP/1.1\r\n${this.postHeaders}` +
      `Content-Type: ${this.type}\r\nContent-Length: ${body.length}\r\n\r\n`;
    this.#begin(Buffer.concat([Buffer.from(head, 'latin1'), body]), done);
  }

  close() {
    this.#done = null;
    this.#socket?.destroy();
    this.#socket = null;
  }

  #begin(request, done) {
    if (this.#done !== null) throw new Error('a request before the answer to the last one');
    this.#done = done;
    this.#request = request;
    this.#socket ??= this.#connect();
    this.#socket.write(request);
  }

  #connect() {
    const callback = (length) => {
      this.#read(readBuffer.subarray(0, length));
      return true;
    };
    const socket = connect({ ...this.address, noDelay: true, onread: { buffer: readBuffer, callback } });
    let reason = 'closed instead of an answer';
    this.#answers = 0;
    socket.on('error', (error) => (reason = error.message));
    socket.on('close', () => this.#socket === socket && this.#closed(reason));
    return socket;
  }

  /** Idle connections may be closed by a server, also while a request is on its way, which is sent again then as browsers do. */
  #closed(reason) {
    this.#socket = null;
    if (this.#done === null) return;
    if (this.#answers === 0 || this.#rest !== null) return this.fail(reason);
    this.#socket = this.#connect();
    this.#socket.write(this.#request);
  }

  #read(chunk) {
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = bytes.indexOf('\r\n\r\n') + 4;
    const head = bytes.latin1Slice(0, end);
    const length = head.startsWith('HTTP/1.1 204 ') ? '0' : /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
    if (end > 3 && (!/^HTTP\/1\.1 20[04] /.test(head) || length === undefined)) {
      this.fail(`answered with ${bytes.toString('latin1', 0, 1000)}`);
      return;
    }
    const missing = end > 3 ? end + Number(length) - bytes.length : 1;
    if (missing > 0) {
      this.#rest = Buffer.from(bytes);
      return;
    }
    const done = this.#done;
    if (missing < 0 || done === null) {
      this.fail('more than an answer');
      return;
    }
    this.#rest = null;
    this.#done = null;
    this.#answers++;
    done(bytes.subarray(end));
  }
}
