/** A client over WebSocket, opened at once or after polling. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { headersOfWebSocket } from './browser.js';
import { OPEN, UPGRADE } from './dialects.js';
import { LoadClient } from './client.js';
import { Exchange } from './exchange.js';
import { clientFrame, readFrame } from './frames.js';
import { handshake } from './polling.js';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** One buffer for all sockets: what a read brings is dealt with before the next one begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

export class WebSocketClient extends LoadClient {
  state = 'http';
  rest = null;
  /** Bytes of the next answer that have come, where nothing else has come after them. */
  partial = 0;

  /** `way`: `name` of the transport; `isUpgraded`: a session that has begun by polling. */
  async open({ way: { name, isUpgraded = false }, scatter }) {
    let path = this.load.dialect.path.replace('transport=websocket', `transport=${name}`);
    this.protocol = this.load.dialect;
    if (isUpgraded) {
      const exchange = new Exchange({ ...this.address, port: this.address.entry }, (message) => this.fail(message));
      const sid = await handshake(exchange);
      exchange.close();
      await scatter();
      path += `&sid=${sid}`;
      this.protocol = UPGRADE;
    }
    await this.connect(path);
  }

  connect(path) {
    const { port, localAddress, cookie } = this.address;
    const ready = new Promise((resolve) => (this.resolve = resolve));
    const key = randomBytes(16).toString('base64');
    this.accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    this.socket = connect({
      host: '127.0.0.1',
      port,
      localAddress,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          this.read(length);
          return true;
        },
      },
    });
    this.socket.on('error', (error) => this.fail(error.message));
    this.socket.on('close', () => this.fail('closed by the server'));
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nCookie: client=${cookie}\r\n` +
        `${headersOfWebSocket(port)}\r\n`,
    );
    return ready;
  }

  read(length) {
    if (this.rest === null && this.state === 'open') {
      const { answers, news } = this.load;
      const heard = this.partial > 0 ? 0 : news.match(this.heard, readBuffer, length);
      if (heard > 0) return this.delivered(heard);
      if (answers.continues(this.received, this.partial, readBuffer, length)) return this.answersOf(length);
    }
    let chunk = Buffer.from(readBuffer.subarray(0, length));
    if (this.partial > 0) {
      chunk = Buffer.concat([this.load.answers.slice(this.received, 1).subarray(0, this.partial), chunk]);
      this.partial = 0;
    }
    this.rest = this.rest === null ? chunk : Buffer.concat([this.rest, chunk]);
    if (this.state === 'http') this.readResponse();
    if (this.state === 'handshake' || this.state === 'open') this.readFrames();
  }

  /** So many bytes more of answers. */
  answersOf(length) {
    const total = this.partial + length;
    const { size } = this.load.answers;
    this.partial = total % size;
    const count = Math.floor(total / size);
    if (count > 0) this.answered(count);
  }

  readResponse() {
    const end = this.rest.indexOf('\r\n\r\n');
    if (end === -1) return;
    const head = this.rest.toString('latin1', 0, end);
    this.rest = this.rest.subarray(end + 4);
    if (!head.startsWith('HTTP/1.1 101 ')) this.fail(`handshake answered with ${head}`);
    else if (!head.includes(this.accept)) this.fail('wrong Sec-WebSocket-Accept');
    else if (this.protocol.reply) this.greet();
    else this.opened();
  }

  /** The slow path, message by message: handshakes, heartbeats, and reads that end within a broadcast. */
  readFrames() {
    const { answers, news } = this.load;
    while (this.state !== 'closed') {
      if (this.state === 'open' && answers.match(this.received, this.rest.subarray(0, answers.size)) === 1) {
        this.rest = this.rest.subarray(answers.size);
        this.answered(1);
      } else if (this.state === 'open' && news.match(this.heard, this.rest.subarray(0, news.size)) === 1) {
        this.rest = this.rest.subarray(news.size);
        this.delivered(1);
      } else {
        // an answer that is not complete is no frame of the protocol
        if (this.state === 'open' && answers.continues(this.received, 0, this.rest)) break;
        const frame = readFrame(this.rest);
        if (frame === null) break;
        const bytes = this.rest;
        this.rest = bytes.subarray(frame.end);
        this.control(bytes[0], bytes.toString('utf8', frame.start, frame.end));
      }
    }
    if (this.rest.length === 0) this.rest = null;
  }

  /** A frame that is neither an answer nor a broadcast. */
  control(first, text) {
    if (first === 0x89) {
      this.socket.write(clientFrame(text, 10));
      return;
    }
    const reply = first === 0x81 ? this.protocol.reply?.(text, this.state) : undefined;
    if (reply === undefined) this.fail(`unexpected frame 0x${first.toString(16)} ${text}`);
    else if (reply === OPEN) this.opened();
    else this.socket.write(clientFrame(reply));
  }

  greet() {
    this.state = 'handshake';
    if (this.protocol.greeting) this.socket.write(clientFrame(this.protocol.greeting));
  }

  opened() {
    if (this.protocol.confirmation) this.socket.write(clientFrame(this.protocol.confirmation));
    this.state = 'open';
    this.resolve();
  }

  send(count) {
    if (count === 0) return;
    this.socket.write(this.load.requests.slice(this.sent, count));
    this.sent += count;
  }

  pause() {
    this.socket.pause();
  }

  destroy() {
    this.socket?.destroy();
  }

  async close() {
    this.state = 'closed';
    const closed = once(this.socket, 'close');
    this.socket.end();
    this.socket.destroy();
    await closed;
  }
}
