/** Clients of the peers that are not Socket.IO: SockJS, a bare event stream, and a bare TCP connection. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { LoadClient } from './client.js';
import { SOCKJS, SSE } from './envelopes.js';
import { HttpStream } from './http-stream.js';
import { Posts } from './posts.js';
import { splitter } from './streaming.js';

/** SockJS over `xhr_streaming`, whose responses end after 128 KB: https://github.com/sockjs/sockjs-protocol */
export class SockJsClient extends LoadClient {
  state = 'handshake';

  open() {
    this.path = `/sockjs/000/${randomBytes(8).toString('hex')}`;
    const ready = new Promise((resolve) => (this.ready = resolve));
    const target = () => `${this.path}/xhr_send`;
    const wrap = (bytes) => Buffer.concat([Buffer.from('['), bytes, Buffer.from(']')]);
    this.posts = new Posts(this, { target, wrap, accepts: (answer) => answer.length === 0 });
    this.#stream();
    return ready;
  }

  send(count) {
    if (count > 0) this.posts.send(count);
  }

  async close() {
    await this.posts.idle();
    this.state = 'closed';
    this.destroy();
  }

  destroy() {
    this.stream?.close();
    this.posts?.close();
  }

  #stream() {
    const body = splitter(SOCKJS, (kind, bytes) => this.#took(kind, bytes));
    const ended = () => {
      this.stream.close();
      if (this.state === 'open') this.#stream();
    };
    const fail = (message) => this.fail(message);
    this.stream = new HttpStream(
      this.address,
      { method: 'POST', path: `${this.path}/xhr_streaming` },
      { body, ended, fail },
    );
  }

  #took(kind, bytes) {
    if (kind === 'frame') {
      if (!this.take(bytes)) this.fail(`unexpected frame ${bytes}`);
    } else if (bytes[0] === 111 && this.state === 'handshake') {
      this.state = 'open';
      this.ready();
    } else if (bytes[0] !== 104) this.fail(`unexpected line ${bytes}`); // h: prelude, heartbeat
  }
}

/** Listens to an event stream, and nothing else. */
export class SseClient extends LoadClient {
  state = 'handshake';

  open() {
    const ready = new Promise((resolve) => (this.ready = resolve));
    const body = splitter(SSE, (kind, bytes) => this.#took(kind, bytes));
    const fail = (message) => this.fail(message);
    this.stream = new HttpStream(
      this.address,
      { method: 'GET', path: '/' },
      { body, fail, ended: () => fail('the stream has ended') },
    );
    return ready;
  }

  async close() {
    this.state = 'closed';
    this.destroy();
  }

  destroy() {
    this.stream?.close();
  }

  #took(kind, bytes) {
    if (kind === 'frame') {
      if (!this.take(bytes)) this.fail(`unexpected event ${bytes}`);
    } else if (this.state === 'handshake') {
      this.state = 'open';
      this.ready();
    }
  }
}

/** One buffer for all sockets: what a read brings is dealt with before the next one begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

/** A connection whose other side sends everything back. */
export class NetClient extends LoadClient {
  state = 'open';
  #partial = 0;

  async open() {
    const callback = (length) => {
      this.#read(length);
      return true;
    };
    const { port, localAddress } = this.address;
    const onread = { buffer: readBuffer, callback };
    this.socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true, onread });
    this.socket.on('error', (error) => this.fail(error.message));
    this.socket.on('close', () => this.fail('closed by the server'));
    await Promise.race([once(this.socket, 'connect'), this.failed]);
  }

  send(count) {
    if (count === 0) return;
    this.socket.write(this.load.requests.slice(this.sent, count));
    this.sent += count;
  }

  async close() {
    this.state = 'closed';
    const closed = once(this.socket, 'close');
    this.destroy();
    await closed;
  }

  destroy() {
    this.socket?.destroy();
  }

  #read(length) {
    const { answers } = this.load;
    if (!answers.continues(this.received, this.#partial, readBuffer, length)) {
      return this.fail(`unexpected bytes ${readBuffer.latin1Slice(0, Math.min(length, 200))}`);
    }
    const total = this.#partial + length;
    this.#partial = total % answers.size;
    const count = Math.floor(total / answers.size);
    if (count > 0) this.answered(count);
  }
}
