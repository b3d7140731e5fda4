/**
 * The load generator, in a process of its own, driven over IPC by `bench/run.js` (same calls as `servers/main.ts`).
 *
 * It speaks WebSocket over raw `net` sockets, because a real client library would cost as much as the server it
 * measures. All requests are masked frames made beforehand, laid end to end in one buffer, so N requests are one slice
 * and one write; all answers are known beforehand, too, so a read is checked by one comparison of bytes. Every answer
 * must be right and in order: anything unexpected fails the run. N answers in one read are followed by N requests in
 * one write, for every peer alike.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { DIALECTS, OPEN } from './dialects.js';
import { clientFrame, NUMBERS, Ring, serverFrame } from './frames.js';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Connections opened at a time, so that no listen backlog overflows. */
const OPENING = 50;

/** Clients from one source address; ephemeral ports of a loopback address would run out at about 28,000. */
const PER_ADDRESS = 10_000;

/** One buffer for all sockets: what a read brings is dealt with before the next one begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

class Connection {
  constructor(load, port, localAddress) {
    this.load = load;
    this.state = 'http';
    this.rest = null;
    this.sent = 0;
    this.received = 0;
    this.heard = 0;
    this.ready = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
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
      `GET ${load.dialect.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
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
    else if (this.load.dialect.reply) this.state = 'handshake';
    else this.open();
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
    const reply = first === 0x81 ? this.load.dialect.reply?.(text, this.state) : undefined;
    if (reply === undefined) this.fail(`unexpected frame 0x${first.toString(16)} ${text}`);
    else if (reply === OPEN) this.open();
    else this.socket.write(clientFrame(reply));
  }

  open() {
    this.state = 'open';
    this.resolve();
  }

  answered(count) {
    this.received += count;
    if (this.received > this.sent) return this.fail('more answers than requests');
    this.load.answered(count);
    this.send(this.load.take(count));
  }

  delivered(count) {
    this.load.delivered(this.heard, count);
    this.heard += count;
  }

  send(count) {
    if (count === 0) return;
    this.socket.write(this.load.requests.slice(this.sent, count));
    this.sent += count;
  }

  fail(message) {
    if (this.state === 'closed') return;
    const error = new Error(`connection in state ${this.state}: ${message}`);
    this.state = 'closed';
    this.socket.destroy();
    this.reject(error);
    this.load.fail(error);
  }

  async close() {
    this.state = 'closed';
    const closed = once(this.socket, 'close');
    this.socket.end();
    this.socket.destroy();
    await closed;
  }
}

/** All connections to one server. */
class Load {
  constructor(dialect) {
    this.dialect = dialect;
    this.requests = new Ring(NUMBERS.map((n) => clientFrame(dialect.request(n))));
    this.answers = new Ring(NUMBERS.map((n) => serverFrame(dialect.answer(n))));
    this.news = new Ring(NUMBERS.map((n) => serverFrame(dialect.news(n))));
    this.connections = [];
    this.budget = 0;
    this.missing = 0;
    this.heard = 0;
    this.listeners = [];
    this.complete = [];
    this.wanted = 0;
    this.error = null;
    this.waiting = null;
  }

  async open(port, count) {
    for (let i = 0; i < count; i += OPENING) {
      const batch = Array.from({ length: Math.min(OPENING, count - i) }, (_, n) => {
        const address = `127.0.0.${1 + Math.floor((this.connections.length + n) / PER_ADDRESS)}`;
        return new Connection(this, port, address);
      });
      this.connections.push(...batch);
      await Promise.all(batch.map((connection) => connection.ready));
    }
  }

  /** Sends `messages` requests over all connections, `inFlight` at a time on each, and waits for all answers. */
  run(messages, inFlight) {
    this.budget = messages;
    this.missing = messages;
    return this.until(() => {
      for (const connection of this.connections) connection.send(this.take(inFlight));
    });
  }

  /**
   * Waits until every client has heard that many broadcasts more than were waited for before. Answers with when each
   * reached its last client, in milliseconds of the monotonic clock.
   */
  async hear(broadcasts) {
    const from = this.wanted / this.connections.length;
    this.wanted += broadcasts * this.connections.length;
    await this.until(() => this.heard >= this.wanted && this.done());
    return this.complete.slice(from, from + broadcasts);
  }

  until(begin) {
    return new Promise((resolve, reject) => {
      if (this.error) return reject(this.error);
      this.waiting = { resolve, reject };
      begin();
    });
  }

  take(count) {
    const taken = Math.min(count, this.budget);
    this.budget -= taken;
    return taken;
  }

  answered(count) {
    this.missing -= count;
    if (this.missing === 0) this.done();
  }

  /** A client heard `count` broadcasts more, beginning with number `from` since it connected. */
  delivered(from, count) {
    for (let i = from; i < from + count; i++) {
      this.listeners[i] = (this.listeners[i] ?? 0) + 1;
      if (this.listeners[i] === this.connections.length) this.complete[i] = Number(process.hrtime.bigint()) / 1e6;
    }
    this.heard += count;
    if (this.heard === this.wanted) this.done();
  }

  done() {
    this.waiting?.resolve();
    this.waiting = null;
  }

  fail(error) {
    this.error ??= error;
    this.waiting?.reject(error);
    this.waiting = null;
  }

  async close() {
    if (this.error) throw this.error;
    if (this.heard !== this.wanted) throw new Error(`${this.heard} broadcasts instead of ${this.wanted}`);
    await Promise.all(this.connections.map((connection) => connection.close()));
  }
}

let load;

const commands = {
  async open({ peer, port, connections }) {
    load = new Load(DIALECTS[peer]);
    await load.open(port, connections);
  },
  run: ({ messages, inFlight }) => load.run(messages, inFlight),
  hear: ({ broadcasts }) => load.hear(broadcasts),
  cpu: () => process.cpuUsage(),
  close: () => load.close(),
};

process.on('message', ({ id, command, args }) => {
  Promise.resolve()
    .then(() => commands[command](args))
    .then(
      (result) => process.send({ id, result }),
      (error) => process.send({ id, error: error.stack }),
    );
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
