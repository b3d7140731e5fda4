import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { whenWritable } from 'nestwire';
import { range, Subject, take } from 'rxjs';
import { startLive, until, type Live } from '../client/support.js';
import { waitingBytes } from '../../lib/streams/writable.js';
import { connectReader, READERS, turn } from './readers.js';
import { FakeClient, marbles } from './support.js';

const KIB = 1024;
const bytes = 100;

/** A client for which so much waits. */
function clientWith(waiting: number): FakeClient {
  const client = new FakeClient();
  client.conn.waitingBytes = waiting;
  return client;
}

/** A source, and what a client's `whenWritable` lets through of it. */
function start(client: FakeClient, keep?: number) {
  const source = new Subject<string>();
  const log: string[] = [];
  const subscription = source.pipe(whenWritable(client.socket, { bytes, ...(keep && { keep }) })).subscribe({
    next: (value) => log.push(value),
    error: (error: Error) => log.push(`error: ${error.message}`),
    complete: () => log.push('complete'),
  });
  const put = (...values: string[]) => values.forEach((value) => source.next(value));
  return { source, log, subscription, put };
}

describe('whenWritable', () => {
  it('passes everything to a client that takes it, and listens to nothing meanwhile', () => {
    const client = clientWith(100);
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('a-(bc)-d|');
      expectObservable(source$.pipe(whenWritable(client.socket, { bytes }))).toBe('a-(bc)-d|');
      expectSubscriptions(source$.subscriptions).toBe('^-------!');
    });
    const { put } = start(client);
    put('a');
    expect(client.listening).toBe(0);
  });

  it('keeps the latest value while the client is slow, and emits it once it is not', () => {
    const client = clientWith(101);
    marbles(({ hot, at, expectObservable }) => {
      at('-------x', () => client.conn.drainTo(50));
      expectObservable(hot('-a-b-c----d-|').pipe(whenWritable(client.socket, { bytes }))).toBe('-------c--d-|');
    });
    expect(client.listening).toBe(0);
  });

  it('keeps as many as it is told', () => {
    const client = clientWith(101);
    marbles(({ hot, at, expectObservable }) => {
      at('-------x', () => client.conn.drainTo(50));
      const source$ = hot('-a-b-c-------d-|');
      expectObservable(source$.pipe(whenWritable(client.socket, { bytes, keep: 2 }))).toBe('-------(bc)--d-|');
    });
  });

  it('waits until half has left, as writable$ does', () => {
    const client = clientWith(200);
    const { put, log } = start(client);
    put('a');
    for (const rest of [150, 100, 51]) client.conn.drainTo(rest);
    put('b');
    expect(log).toEqual([]);
    client.conn.drainTo(50);
    expect(log).toEqual(['b']);
  });

  it('sees a slow client at once, not only after one more value', () => {
    const client = clientWith(0);
    const { put, log } = start(client);
    put('a');
    // nothing was sent that would have told
    client.conn.waitingBytes = 101;
    put('b');
    expect(log).toEqual(['a']);
  });

  it('stops in the midst of what it kept when the client becomes slow again', () => {
    const client = clientWith(200);
    const source = new Subject<string>();
    const log: string[] = [];
    source.pipe(whenWritable(client.socket, { bytes, keep: 4 })).subscribe((value) => {
      log.push(value);
      client.conn.send(60);
    });
    for (const value of 'abcdef') source.next(value);
    client.conn.drainTo(0);
    expect(log).toEqual(['c', 'd']);
    source.next('g');
    source.next('h');
    client.conn.drainTo(0);
    expect(log).toEqual(['c', 'd', 'e', 'f']);
    client.conn.drainTo(0);
    expect(log).toEqual(['c', 'd', 'e', 'f', 'g', 'h']);
    expect(client.listening).toBe(0);
  });

  it('emits what it keeps before it completes', () => {
    const client = clientWith(101);
    marbles(({ cold, at, expectObservable, expectSubscriptions }) => {
      at('------x', () => client.conn.drainTo(0));
      const source$ = cold('-a-b|');
      expectObservable(source$.pipe(whenWritable(client.socket, { bytes, keep: 2 }))).toBe('------(ab|)');
      expectSubscriptions(source$.subscriptions).toBe('^---!');
    });
    expect(client.listening).toBe(0);
  });

  it('completes at once when it keeps nothing, however slow the client is', () => {
    const client = clientWith(101);
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('--|').pipe(whenWritable(client.socket, { bytes }))).toBe('--|');
    });
  });

  it('passes an error at once, and lets go of what it keeps', () => {
    const client = clientWith(101);
    marbles(({ cold, at, expectObservable }) => {
      at('------x', () => client.conn.drainTo(0));
      expectObservable(cold('-a-#').pipe(whenWritable(client.socket, { bytes }))).toBe('---#');
    });
    expect(client.listening).toBe(0);
  });

  it('holds nothing back from a client that is not there', () => {
    const client = clientWith(101);
    marbles(({ cold, at, expectObservable }) => {
      at('----x', () => client.disconnect());
      expectObservable(cold('-a-b-c-d|').pipe(whenWritable(client.socket, { bytes }))).toBe('----bc-d|');
    });
    expect(client.listening).toBe(0);
    const { put, log } = start(client);
    put('a', 'b');
    expect(log).toEqual(['a', 'b']);
  });

  it('leaves nothing behind when it is unsubscribed', () => {
    const client = clientWith(101);
    const { source, put, log, subscription } = start(client);
    put('a');
    expect(client.listening).toBeGreaterThan(0);
    subscription.unsubscribe();
    expect(client.listening).toBe(0);
    expect(source.observed).toBe(false);
    client.conn.drainTo(0);
    expect(log).toEqual([]);
  });

  it('ends a synchronous source in its midst', () => {
    const client = clientWith(0);
    const taken: number[] = [];
    range(1, Infinity)
      .pipe(whenWritable(client.socket, { bytes }), take(2))
      .subscribe((value) => taken.push(value));
    expect(taken).toEqual([1, 2]);
  });

  it('begins anew for each subscriber', () => {
    const client = clientWith(101);
    const source = new Subject<string>();
    const held$ = source.pipe(whenWritable(client.socket, { bytes }));
    const logs: string[][] = [[], []];
    held$.subscribe((value) => logs[0]!.push(value));
    source.next('a');
    held$.subscribe((value) => logs[1]!.push(value));
    client.conn.drainTo(0);
    expect(logs).toEqual([['a'], []]);
  });

  describe('re-entered', () => {
    it('by a value while it emits what it kept: order stays, and nothing is emitted twice', () => {
      const client = clientWith(101);
      const source = new Subject<string>();
      const log: string[] = [];
      source.pipe(whenWritable(client.socket, { bytes, keep: 3 })).subscribe((value) => {
        log.push(value);
        if (value === 'a') source.next('d');
        if (value === 'd') source.next('e');
      });
      for (const value of 'abc') source.next(value);
      client.conn.drainTo(0);
      expect(log).toEqual(['a', 'b', 'c', 'd', 'e']);
      expect(client.listening).toBe(0);
    });

    it('by values for a client that has become slow again: it waits once', () => {
      const client = clientWith(101);
      const source = new Subject<string>();
      const log: string[] = [];
      source.pipe(whenWritable(client.socket, { bytes, keep: 2 })).subscribe((value) => {
        log.push(value);
        if (value !== 'b') return;
        client.conn.send(200);
        source.next('c');
        source.next('d');
        source.next('e');
      });
      source.next('a');
      source.next('b');
      client.conn.drainTo(0);
      expect(log).toEqual(['a', 'b']);
      // one for packets, one for the disconnect, one for what drains
      expect(client.listening).toBe(3);
      client.conn.drainTo(0);
      expect(log).toEqual(['a', 'b', 'd', 'e']);
    });

    it('by an unsubscription while it emits what it kept', () => {
      const client = clientWith(101);
      const source = new Subject<string>();
      const log: string[] = [];
      source.pipe(whenWritable(client.socket, { bytes, keep: 3 }), take(2)).subscribe((value) => log.push(value));
      for (const value of 'abc') source.next(value);
      client.conn.drainTo(0);
      expect(log).toEqual(['a', 'b']);
      expect(source.observed).toBe(false);
      expect(client.listening).toBe(0);
    });

    it('by a disconnect while it emits what it kept', () => {
      const client = clientWith(101);
      const source = new Subject<string>();
      const log: string[] = [];
      source.pipe(whenWritable(client.socket, { bytes, keep: 3 })).subscribe((value) => {
        log.push(value);
        if (value === 'a') client.disconnect();
      });
      for (const value of 'abc') source.next(value);
      client.conn.drainTo(0);
      expect(log).toEqual(['a', 'b', 'c']);
      expect(client.listening).toBe(0);
    });
  });

  it.each([0, -1, 1.5, NaN, Infinity])('does not keep %p values: what is kept is bounded', (keep) => {
    expect(() => whenWritable(new FakeClient().socket, { keep })).toThrow(RangeError);
  });
});

describe.each(READERS)('whenWritable for a client by %s', (transport) => {
  let live: Live;

  beforeEach(async () => {
    live = await startLive();
  });

  afterEach(() => live.close());

  const FRAME = 'x'.repeat(64 * KIB);
  const COUNT = 400;

  it('bounds what waits while the client does not read, and gives it the latest when it does', async () => {
    const reader = await connectReader(live, transport);
    const { client } = reader;
    const frames = new Subject<number>();
    let passed = 0;
    frames.pipe(whenWritable(client, { keep: 3 })).subscribe((number) => {
      passed++;
      client.emit('frame', `${number} ${FRAME}`);
    });
    reader.stopReading();
    let most = 0;
    for (let number = 0; number < COUNT; number++) {
      frames.next(number);
      most = Math.max(most, waitingBytes(client));
      await turn();
    }
    const before = passed;
    expect(before).toBeLessThan(COUNT - 3);
    // the limit, and the frame that went beyond it
    expect(most).toBeLessThan(256 * KIB + 2 * FRAME.length);

    reader.startReading();
    await until(() => reader.received.length === before + 3, 'all that was let through has come');
    const numbers = reader.received.map((frame) => Number.parseInt(String(frame), 10));
    expect(numbers.slice(0, before)).toEqual([...Array(before).keys()]);
    expect(numbers.slice(before)).toEqual([COUNT - 3, COUNT - 2, COUNT - 1]);

    await until(() => waitingBytes(client) < 128 * KIB, 'it takes all again');
    frames.next(COUNT);
    await until(() => reader.received.length === before + 4, 'it is sent at once');
    expect(client.conn.listenerCount('packetCreate')).toBe(0);
    reader.cut();
  });

  it('leaves nothing on the session of a client that goes while it does not read', async () => {
    const reader = await connectReader(live, transport);
    const { client } = reader;
    const frames = new Subject<number>();
    let isComplete = false;
    frames.pipe(whenWritable(client)).subscribe({
      next: () => client.emit('frame', FRAME),
      complete: () => (isComplete = true),
    });
    reader.stopReading();
    for (let number = 0; number < COUNT; number++) {
      frames.next(number);
      await turn();
    }
    expect(client.conn.listenerCount('packetCreate')).toBe(1);
    frames.complete();
    expect(isComplete).toBe(false);
    const gone = new Promise((resolve) => client.once('disconnect', resolve));
    client.disconnect(true);
    await gone;
    expect(isComplete).toBe(true);
    expect(client.conn.listenerCount('packetCreate')).toBe(0);
    expect(frames.observed).toBe(false);
    reader.cut();
  });
});
