/**
 * The load generator, in a process of its own, driven over IPC by `bench/run.js` (same calls as `servers/main.ts`).
 *
 * It speaks WebSocket, and HTTP for polling, over raw `net` sockets, because a real client library would cost as much as the server it
 * measures. All requests are masked frames made beforehand, laid end to end in one buffer, so N requests are one slice
 * and one write; all answers are known beforehand, too, so a read is checked by one comparison of bytes. Every answer
 * must be right and in order: anything unexpected fails the run. N answers in one read are followed by N requests in
 * one write, for every peer alike.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DIALECTS, TEXT } from './dialects.js';
import { clientFrame, NUMBERS, Ring, serverFrame } from './frames.js';
import { PollingClient, SEPARATOR } from './polling-client.js';
import { WebSocketClient } from './websocket-client.js';

/** Connections opened at a time, so that no listen backlog overflows. */
const OPENING = 50;

/** Clients from one source address; ephemeral ports of a loopback address would run out at about 28,000. */
const PER_ADDRESS = 10_000;

/** What messages look like on the wire. */
const WEBSOCKET = { outgoing: clientFrame, incoming: serverFrame, separator: 0 };
const POLLING = {
  outgoing: (text) => Buffer.from(text + SEPARATOR),
  incoming: (text) => Buffer.from(text + SEPARATOR),
  separator: 1,
};

/** Milliseconds in which clients of a batch go on after their handshake: a balancer's turns must not meet the same ones. */
const SCATTER = 20;

/** All connections to one server. */
class Load {
  /**
   * `transport`: `websocket`, `polling`, or `upgraded`, which is the first after the second. `bytes`: length of the text in
   * requests and answers.
   */
  constructor(dialect, { transport = 'websocket', bytes = TEXT.length } = {}) {
    const { outgoing, incoming, separator } = transport === 'polling' ? POLLING : WEBSOCKET;
    const text = TEXT.repeat(Math.ceil(bytes / TEXT.length)).slice(0, bytes);
    this.dialect = dialect;
    this.transport = transport;
    this.requests = new Ring(
      NUMBERS.map((n) => outgoing(dialect.request(n, text))),
      separator,
    );
    this.answers = new Ring(
      NUMBERS.map((n) => incoming(dialect.answer(n, text))),
      separator,
    );
    this.news = new Ring(
      NUMBERS.map((n) => incoming(dialect.news(n))),
      separator,
    );
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

  /** `entry`: port for the handshake of a session that begins by polling; the rest goes to `port`. */
  async open(port, count, entry = port) {
    const Client = this.transport === 'polling' ? PollingClient : WebSocketClient;
    for (let i = 0; i < count; i += OPENING) {
      const batch = Array.from({ length: Math.min(OPENING, count - i) }, (_, n) => {
        const localAddress = `127.0.0.${1 + Math.floor((this.connections.length + n) / PER_ADDRESS)}`;
        return new Client(this, { port, entry, localAddress });
      });
      this.connections.push(...batch);
      const isUpgraded = this.transport === 'upgraded';
      await Promise.all(
        batch.map((connection) => Promise.race([connection.open({ isUpgraded, scatter }), connection.failed])),
      );
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

  /** Milliseconds that single requests take, one after the other, each of the next connection. */
  async pings(messages) {
    const taken = [];
    for (let i = 0; i < messages; i++) {
      this.missing = 1;
      const start = performance.now();
      await this.until(() => this.connections[i % this.connections.length].send(1));
      taken.push(performance.now() - start);
    }
    return taken;
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

/** Lets the clients of a batch go on in another order. */
const scatter = () => delay(Math.random() * SCATTER);

let load;

const commands = {
  async open({ peer, port, connections, entry, transport, bytes }) {
    load = new Load(DIALECTS[peer], { transport, bytes });
    await load.open(port, connections, entry);
  },
  run: ({ messages, inFlight }) => load.run(messages, inFlight),
  pings: ({ messages }) => load.pings(messages),
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
