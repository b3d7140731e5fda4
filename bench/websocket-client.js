/** A client over WebSocket, opened at once or after polling. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { OPEN, UPGRADE } from './dialects.js';
import { Exchange } from './exchange.js';
import { clientFrame } from './frames.js';
import { LoadClient } from './load-client.js';
import { handshake } from './polling-client.js';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** One buffer for all sockets: what a read brings is dealt with before the next one begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

export class WebSocketClient extends LoadClient {
  state = 'http';
  rest = null;

  /** `isUpgraded`: a session that has begun by polling. */
  async open({ isUpgraded, scatter }) {
    let path = this.load.dialect.path;
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
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nCookie: client=${cookie}\r\n\r\n`,
    );
    return ready;
  }

  read(length) {
    if (this.rest === null && this.state === 'open') {
      const answers = this.load.answers.match(this.received, readBuffer, length);
      if (answers > 0) return this.answered(answers);
      const news = this.load.news.match(this.heard, readBuffer, length);
      if (news > 0) return this.delivered(news);
    }
    const chunk = Buffer.from(readBuffer.subarray(0, length));
    this.rest = this.rest === null ? chunk : Buffer.concat([this.rest, chunk]);
    if (this.state === 'http') this.readResponse();
    if (this.state === 'handshake' || this.state === 'open') this.readFrames();
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

  /** The slow path, frame by frame: handshakes, heartbeats, and reads that end within a frame. */
  readFrames() {
    let answers = 0;
    while (this.state !== 'closed' && this.rest.length >= 2) {
      const long = this.rest[1] === 126;
      if (this.rest[1] > 126) return this.fail('masked or very long frame');
      if (long && this.rest.length < 4) break;
      const start = long ? 4 : 2;
      const end = start + (long ? this.rest.readUInt16BE(2) : this.rest[1]);
      if (this.rest.length < end) break;
      const frame = this.rest.subarray(0, end);
      this.rest = this.rest.subarray(end);
      if (this.state === 'open' && this.load.answers.match(this.received + answers, frame, end) === 1) answers++;
      else if (this.state === 'open' && this.load.news.match(this.heard, frame, end) === 1) this.delivered(1);
      else this.control(frame[0], frame.toString('utf8', start));
    }
    if (this.rest.length === 0) this.rest = null;
    if (answers > 0) this.answered(answers);
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
