import { expect } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import type { Incoming, Socket } from 'nestwire';

/** As much of a session as streams see: bytes wait, and leave. */
export class FakeSession extends EventEmitter {
  waitingBytes = 0;
  watchers: (() => void)[] = [];

  onceDrained(callback: () => void): void {
    this.watchers.push(callback);
  }

  offDrained(callback: () => void): void {
    this.watchers = this.watchers.filter((one) => one !== callback);
  }

  /** Something is sent, in the order in which a session does it: the event, then the count. */
  send(bytes: number): void {
    this.emit('packetCreate', { type: 'message', data: '' });
    this.waitingBytes += bytes;
  }

  /** All but some bytes leave. */
  drainTo(bytes: number): void {
    this.waitingBytes = bytes;
    const { watchers } = this;
    this.watchers = [];
    for (const watcher of watchers) watcher();
  }
}

/** A client that is connected until it disconnects, as a socket.io `Socket` is. */
export class FakeClient extends EventEmitter {
  connected = true;
  readonly conn = new FakeSession();

  constructor(readonly id = 'a') {
    super();
  }

  disconnect(): void {
    if (!this.connected) return;
    this.connected = false;
    this.emit('disconnect', 'transport close');
  }

  get socket(): Socket {
    return this as unknown as Socket;
  }

  /** Listeners of anybody, on the client and its session. */
  get listening(): number {
    const count = (emitter: EventEmitter): number =>
      emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
    return count(this) + count(this.conn) + this.conn.watchers.length;
  }
}

/** A message, and what it was answered with. */
export interface TestMessage<T> extends Incoming<T> {
  readonly answers: unknown[][];
}

export function message<T>(client: FakeClient, data: T): TestMessage<T> {
  const answers: unknown[][] = [];
  return { client: client.socket, data, ack: (...answer) => void answers.push(answer), answers };
}

/** Runs a marble test, in virtual time. */
export function marbles(run: (helpers: RunHelpers & { at(marble: string, action: () => void): void }) => void): void {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run((helpers) =>
    run({
      ...helpers,
      // at every emission of the marble diagram
      at: (marble, action) => void helpers.cold(marble).subscribe(action),
    }),
  );
}
