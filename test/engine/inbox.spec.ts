/** What is read in one turn of the event loop is handled together at its end. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { FLUSH, Flusher, type Flushable, type FlushTime } from '../../lib/engine/flusher.js';
import { Inbox, type Receiver } from '../../lib/engine/inbox.js';

let flusher: Flusher;
let inbox: Inbox;
const log: string[] = [];

/** Reads packets, and handles each by a function that is told which. */
class Reader implements Receiver {
  private packets: string[] = [];

  constructor(private readonly handle: (packet: string) => unknown = (packet) => log.push(packet)) {}

  get hasUnhandled(): boolean {
    return this.packets.length > 0;
  }

  read(...packets: string[]): void {
    for (const packet of packets) {
      if (this.packets.push(packet) === 1) inbox.add(this);
      else inbox.count();
    }
  }

  deliver(): void {
    while (this.packets.length > 0) this.handle(this.packets.shift()!);
  }
}

/** Something that has bytes to send, and says when it does. */
class Writer implements Flushable {
  awaits: FlushTime = FLUSH.NEVER;

  constructor(private readonly name: string) {}

  flush(): void {
    log.push(`${this.name} written`);
  }
}

/** The end of the turn, and of what it has put off. */
const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

beforeEach(() => {
  log.length = 0;
  flusher = new Flusher();
  inbox = new Inbox(flusher);
});

describe('what is read in one turn', () => {
  it('is handled at its end, client by client, each in order', async () => {
    const [a, b] = [new Reader(), new Reader()];
    a.read('a1', 'a2');
    b.read('b1');
    a.read('a3');
    expect(log).toEqual([]);
    await turn();
    expect(log).toEqual(['a1', 'a2', 'a3', 'b1']);
    a.read('a4');
    await turn();
    expect(log.at(-1)).toBe('a4');
  });

  it('goes through promises in step', async () => {
    const steps = async (packet: string) => {
      log.push(`${packet} guard`);
      await Promise.resolve();
      log.push(`${packet} pipe`);
      await Promise.resolve();
      log.push(`${packet} handler`);
    };
    for (const name of ['a', 'b', 'c']) new Reader(steps).read(name);
    await turn();
    expect(log.map((line) => line.split(' ')[1])).toEqual(
      ['guard', 'pipe', 'handler'].flatMap((step) => [step, step, step]),
    );
  });

  it('is answered before anything more is done', async () => {
    const answered = new Writer('answer');
    const heard = new Writer('broadcast');
    new Reader(async (packet) => {
      await Promise.resolve();
      flusher.flushThisTurn(answered);
      flusher.flushWithBroadcasts(heard);
      log.push(packet);
    }).read('asked');
    // behind the inbox, as what another read has put off
    setImmediate(() => log.push('later'));
    await turn();
    expect(log).toEqual(['asked', 'answer written', 'broadcast written', 'later']);
  });

  it('is answered, and what was to be written before is written once', async () => {
    const early = new Writer('early');
    flusher.flushThisTurn(early);
    new Reader(() => flusher.flushThisTurn(new Writer('answer'))).read('asked');
    await turn();
    expect(log).toEqual(['early written', 'answer written']);
    flusher.flushThisTurn(early);
    await turn();
    expect(log).toEqual(['early written', 'answer written', 'early written']);
  });

  it('is handled in batches of 128 packets, each of which is answered before the next', async () => {
    const readers = Array.from({ length: 140 }, (_, n) => {
      const writer = new Writer(`${n}`);
      return new Reader(() => {
        log.push(`${n}`);
        flusher.flushThisTurn(writer);
      });
    });
    for (const reader of readers) reader.read('asked');
    await turn();
    const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `${from + n}`);
    const written = (names: string[]) => names.map((name) => `${name} written`);
    const [first, second] = [numbers(0, 128), numbers(128, 140)];
    expect(log).toEqual([...first, ...written(first), ...second, ...written(second)]);
  });

  it('counts the packets of one client, whose packets stay together', async () => {
    const [many, other] = [new Reader(), new Reader()];
    const packets = Array.from({ length: 200 }, (_, n) => `many ${n}`);
    many.read(...packets);
    other.read('other');
    const between: string[] = [];
    setImmediate(() => between.push(...log));
    await turn();
    expect(between).toEqual([...packets, 'other']);
    expect(log).toEqual(between);
  });

  it('takes what is read while it is handled to the next turn', async () => {
    const late = new Reader();
    new Reader((packet) => {
      log.push(packet);
      late.read('late');
    }).read('first');
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['first']);
    await turn();
    expect(log).toEqual(['first', 'late']);
  });
});

describe('a listener that throws', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** What the turn has put off, as far as the next error. */
  const rest = () => jest.advanceTimersByTime(1);

  it('keeps nobody from what was read, nor the rest of its own', () => {
    const boom = (packet: string) => {
      log.push(packet);
      if (packet === 'a2') throw new Error('boom');
    };
    new Reader(boom).read('a1', 'a2', 'a3');
    new Reader().read('b1');
    expect(rest).toThrow('boom');
    rest();
    expect(log).toEqual(['a1', 'a2', 'a3', 'b1']);
  });

  it('may throw at each packet', () => {
    const boom = (packet: string) => {
      log.push(packet);
      throw new Error(packet);
    };
    new Reader(boom).read('a1', 'a2');
    new Reader(boom).read('b1');
    // the first error is told, and others of the same turn are not
    expect(rest).toThrow('a1');
    expect(rest).toThrow('b1');
    expect(log).toEqual(['a1', 'a2', 'b1']);
  });
});

describe('asynchronous contexts', () => {
  it('of one client are not those in which messages of another one are handled', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen = (packet: string) => log.push(`${packet} in ${storage.getStore()}`);
    storage.run('the context of a', () => new Reader(seen).read('a'));
    storage.run('the context of b', () => new Reader(seen).read('b'));
    await turn();
    expect(log).toEqual(['a in undefined', 'b in undefined']);
  });
});
