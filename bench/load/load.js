/**
 * All connections of one load to one server.
 *
 * They speak over raw `net` sockets, because a real client library would cost as much as the server it measures. All requests
 * are made beforehand, laid end to end in one buffer, so N requests are one slice and one write; all answers are known
 * beforehand, too, so a read is checked by one comparison of bytes. Every answer must be right and in order: anything
 * unexpected fails the run. N answers in one read are followed by N requests in one write, for every peer alike.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { dialectOf, TEXT } from './dialects.js';
import { DISTINCT, FIRST, ringOf } from './ring.js';
import { TRANSPORTS } from './transports.js';

/** Connections opened at a time, so that no listen backlog overflows. */
const OPENING = 50;

/** Clients from one source address; ephemeral ports of a loopback address would run out at about 28,000. */
const PER_ADDRESS = 10_000;

/**
 * The source address of a client; the system chooses for the first. Where one is asked for it looks for a port before it knows
 * the destination, which takes milliseconds once many connections have been closed lately.
 */
function sourceOf(index) {
  return index < PER_ADDRESS ? undefined : `127.0.0.${1 + Math.floor(index / PER_ADDRESS)}`;
}

/** Milliseconds in which clients of a batch go on after their handshake: a balancer's turns must not meet the same ones. */
const SCATTER = 20;

/** Bytes of messages that are held ready, at most. */
const RING_BYTES = 4 * 1024 * 1024;

/** The monotonic clock in milliseconds, which all processes of a machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Sum of the numbers of `count` messages of a ring, beginning with number `from`. */
function sumOf(from, count, distinct) {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += FIRST + (i % distinct);
  return sum;
}

export class Load {
  /**
   * `kind`: see `dialects.js`; `transport`: see `transports.js`; `bytes`: length of the text in requests and answers,
   * `newsBytes`: of that in broadcasts; `isOneWay`: what is sent has no answer; `isScattered`: see SCATTER.
   */
  constructor({ peer, kind, transport, bytes = TEXT.length, newsBytes = TEXT.length, isOneWay, isScattered }) {
    const { Client, wire, way } = TRANSPORTS[transport];
    const { outgoing, incoming, separator } = wire;
    const dialect = dialectOf(peer, kind);
    const textOf = (length) => TEXT.repeat(Math.ceil(length / TEXT.length)).slice(0, length);
    const ring = (length, make) =>
      ringOf(make, separator, Math.max(4, Math.min(DISTINCT, Math.floor(RING_BYTES / length))));
    const text = textOf(bytes);
    this.Client = Client;
    this.dialect = dialect;
    this.how = { way, scatter: isScattered ? () => delay(Math.random() * SCATTER) : () => undefined };
    this.isOneWay = isOneWay === true;
    this.requests = ring(bytes, (n) => outgoing(this.isOneWay ? dialect.notice(n, text) : dialect.request(n, text)));
    this.answers = ring(bytes, (n) => incoming(dialect.answer(n, text)));
    this.news = ringOf((n) => incoming(dialect.news(n, textOf(newsBytes))), separator);
    this.connections = [];
    this.isSpread = false;
    this.next = 0;
    this.budget = 0;
    this.missing = 0;
    this.heard = 0;
    this.wanted = 0;
    this.broadcasts = 0;
    /** When each broadcast reached each client. */
    this.times = [];
    this.error = null;
    this.waiting = null;
  }

  /** `entry`: port for the handshake of a session that begins by polling; the rest goes to `port`. */
  async open({ port, connections, entry = port }) {
    for (let i = 0; i < connections; i += OPENING) {
      const batch = Array.from({ length: Math.min(OPENING, connections - i) }, (_, n) => {
        return new this.Client(this, { port, entry, localAddress: sourceOf(this.connections.length + n) });
      });
      this.connections.push(...batch);
      await Promise.all(batch.map((connection) => Promise.race([connection.open(this.how), connection.failed])));
    }
  }

  /**
   * Sends `messages` requests and waits for all answers: `inFlight` at a time on each connection, or, `isSpread`, on all of them
   * together, each answer being followed by a request of the next connection.
   */
  run({ messages, inFlight, isSpread = false }) {
    this.budget = messages;
    this.missing = messages;
    this.isSpread = isSpread;
    return this.until(() => {
      if (isSpread) for (let i = 0; i < inFlight; i++) this.sendNext();
      else for (const connection of this.connections) connection.send(this.grant(inFlight));
    });
  }

  /** Milliseconds that single requests take, one after the other, each of the next connection. */
  async pings({ messages }) {
    const taken = [];
    for (let i = 0; i < messages; i++) {
      this.missing = 1;
      const start = performance.now();
      await this.until(() => this.connections[i % this.connections.length].send(1));
      taken.push(performance.now() - start);
    }
    return taken;
  }

  /** Milliseconds from nothing to the first answer, of `count` clients that come one after the other and go. */
  async visits({ port, count }) {
    const taken = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      const client = new this.Client(this, { port, entry: port });
      await Promise.race([client.open(this.how), client.failed]);
      this.missing = 1;
      await this.until(() => client.send(1));
      taken.push(performance.now() - start);
      await client.close();
    }
    return taken;
  }

  /**
   * Waits until every client that reads has heard that many broadcasts more than were waited for before.
   */
  hear({ broadcasts }) {
    this.broadcasts += broadcasts;
    this.wanted += broadcasts * this.readers();
    return this.until(() => this.heard === this.wanted && this.done());
  }

  /** Milliseconds from when each of the last broadcasts was emitted until each client had it. */
  latencies({ emitted }) {
    const first = this.broadcasts - emitted.length;
    const all = [];
    const last = [];
    emitted.forEach((at, i) => {
      const times = this.times[first + i];
      for (const time of times) all.push(time - at);
      last.push(times.at(-1) - at);
      delete this.times[first + i];
    });
    return { all, last };
  }

  /** The first `count` clients read no more. */
  pause({ count }) {
    this.paused = this.connections.slice(0, count);
    for (const connection of this.paused) {
      // a server may end it
      connection.state = 'closed';
      connection.pause();
    }
  }

  /** What the server must have counted: see `servers/tally.ts`. */
  tally() {
    const { distinct } = this.requests;
    const count = this.connections.reduce((sum, { sent }) => sum + sent, 0);
    return { count, sum: this.connections.reduce((sum, { sent }) => sum + sumOf(0, sent, distinct), 0) };
  }

  async close() {
    if (this.error) throw this.error;
    if (this.heard !== this.wanted) throw new Error(`${this.heard} broadcasts instead of ${this.wanted}`);
    for (const connection of this.paused ?? []) connection.destroy();
    await Promise.all(this.connections.slice(this.paused?.length ?? 0).map((connection) => connection.close()));
  }

  readers() {
    return this.connections.length - (this.paused?.length ?? 0);
  }

  until(begin) {
    return new Promise((resolve, reject) => {
      if (this.error) return reject(this.error);
      this.waiting = { resolve, reject };
      begin();
    });
  }

  /** How many of `count` requests may still be sent. */
  grant(count) {
    const granted = Math.min(count, this.budget);
    this.budget -= granted;
    return granted;
  }

  sendNext() {
    const connection = this.connections[this.next++ % this.connections.length];
    connection.send(this.grant(1));
  }

  answered(connection, count) {
    this.missing -= count;
    if (this.missing === 0) this.done();
    else if (this.isSpread) for (let i = 0; i < count; i++) this.sendNext();
    else connection.send(this.grant(count));
  }

  /** A client heard `count` broadcasts more, beginning with number `from` since it connected. */
  delivered(from, count) {
    const at = now();
    for (let i = from; i < from + count; i++) (this.times[i] ??= []).push(at);
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
}
