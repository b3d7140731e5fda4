import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { NO_SEAT, Seat, type Channel } from '../../lib/client/fallback/census.js';
import type { EngineSocket } from '../../lib/client/fallback/course.js';

/** How long one waits who asks (ms), and after how long one who is silent counts as gone. */
const SILENCE = 100;
const GONE_AFTER = 4 * 15_000;

/** Channels as a browser has them: messages come later, in order, and not to oneself. */
class FakeChannel implements Channel {
  static open: FakeChannel[] = [];
  static messages: unknown[] = [];
  private listener: ((event: { data: unknown }) => void) | undefined;
  /** Milliseconds by which its page is behind. */
  lag = 1;

  constructor(readonly name: string) {
    FakeChannel.open.push(this);
  }

  addEventListener(_type: 'message', listener: (event: { data: unknown }) => void): void {
    this.listener = listener;
  }

  postMessage(message: unknown): void {
    FakeChannel.messages.push(message);
    for (const other of FakeChannel.open) {
      if (other === this || other.name !== this.name) continue;
      setTimeout(
        () => FakeChannel.open.includes(other) && other.listener?.({ data: structuredClone(message) }),
        other.lag,
      );
    }
  }

  close(): void {
    FakeChannel.open = FakeChannel.open.filter((channel) => channel !== this);
  }
}

interface Tab {
  seat: Seat;
  channel: FakeChannel;
  /** What `holds` became. */
  changes: (boolean | undefined)[];
}

const engine = (parts: Partial<EngineSocket> = {}): EngineSocket =>
  ({ secure: false, hostname: 'example.com', port: '80', setTimeoutFn: setTimeout, clearTimeoutFn: clearTimeout, ...parts }) as EngineSocket; // prettier-ignore

/** Connections that a browser has kept of what was never answered. */
let kept = 0;

/** A connection that asks for a seat now, a millisecond after the last. */
function tab(parts: Partial<EngineSocket> = {}): Tab {
  jest.advanceTimersByTime(1);
  const changes: (boolean | undefined)[] = [];
  const seat = new Seat(
    engine({ ...parts, setTimeoutFn: setTimeout, clearTimeoutFn: clearTimeout }),
    (name) => new FakeChannel(name),
    () => kept,
    () => changes.push(seat.holds),
  );
  seat.claim();
  return { seat, channel: FakeChannel.open.at(-1)!, changes };
}

const tabs = (count: number, parts?: Partial<EngineSocket>): Tab[] => Array.from({ length: count }, () => tab(parts));
const holding = (all: Tab[]): (boolean | undefined)[] => all.map(({ seat }) => seat.holds);
const settle = (): void => void jest.advanceTimersByTime(SILENCE + 20);

/** A page that stops without a word. */
function crash({ seat, channel }: Tab): void {
  channel.close();
  channel.postMessage = () => {};
  seat.leave();
}

beforeEach(() => void jest.useFakeTimers());

afterEach(() => {
  FakeChannel.open = [];
  FakeChannel.messages = [];
  kept = 0;
  jest.useRealTimers();
});

describe('seats', () => {
  it('are not known before the others had time to answer', () => {
    const { seat, changes } = tab();
    expect([seat.holds, seat.isCounted]).toEqual([undefined, true]);
    jest.advanceTimersByTime(SILENCE - 1);
    expect(seat.holds).toBeUndefined();
    jest.advanceTimersByTime(1);
    expect(seat.holds).toBe(true);
    expect(changes).toEqual([true]);
  });

  it('are four, for those who asked first, even if all ask at once', () => {
    const all = tabs(7);
    settle();
    expect(holding(all)).toEqual([true, true, true, true, false, false, false]);
    expect(all[6]!.changes).toEqual([false]);
    expect(NO_SEAT).toBe('other tabs hold the connections');
  });

  it('are not taken from those who have them', () => {
    const first = tabs(4);
    settle();
    // the clock is set back
    jest.setSystemTime(Date.now() - 3_600_000);
    const later = tab();
    settle();
    expect(holding([...first, later])).toEqual([true, true, true, true, false]);
    expect(first[3]!.changes).toEqual([true]);
  });

  it('are the next one’s when one is given back, without a word more than that', () => {
    const all = tabs(6);
    settle();
    const before = FakeChannel.messages.length;
    all[1]!.seat.leave();
    settle();
    expect(holding(all.slice(2))).toEqual([true, true, true, false]);
    // that it is gone, and that the next has come
    expect(FakeChannel.messages.slice(before).map((message) => (message as string[])[0])).toEqual(['gone', 'here']);
  });

  it('are given back by a page that goes away', () => {
    const listeners = new Set<() => void>();
    const page = globalThis as unknown as Record<string, unknown>;
    page['addEventListener'] = (type: string, listener: () => void) => type === 'pagehide' && listeners.add(listener);
    page['removeEventListener'] = (_type: string, listener: () => void) => listeners.delete(listener);
    try {
      const all = tabs(5);
      settle();
      expect(listeners.size).toBe(5);
      [...listeners][0]!();
      settle();
      expect(holding(all.slice(1))).toEqual([true, true, true, true]);
      for (const { seat } of all) seat.leave();
      expect(listeners.size).toBe(0);
    } finally {
      delete page['addEventListener'];
      delete page['removeEventListener'];
    }
  });

  it('are free again when a page crashed, once it was silent for longer than a heartbeat', () => {
    const all = tabs(6);
    settle();
    crash(all[0]!);
    jest.advanceTimersByTime(45_000);
    expect(holding(all.slice(4))).toEqual([false, false]);
    jest.advanceTimersByTime(GONE_AFTER - 45_000);
    expect(holding(all.slice(4))).toEqual([true, false]);
  });

  it('stay with a page that is slow', () => {
    const all = tabs(5);
    settle();
    all[0]!.channel.lag = 20_000;
    jest.advanceTimersByTime(10 * GONE_AFTER);
    expect(holding(all)).toEqual([true, true, true, true, false]);
    expect(all[4]!.changes).toEqual([false]);
  });

  it('go back to those who came first when too many were taken, since some were slow to answer', () => {
    const first = tabs(4);
    settle();
    for (const { channel } of first) channel.lag = 500;
    const last = tab();
    settle();
    expect(last.seat.holds).toBe(true);
    jest.advanceTimersByTime(1000);
    expect(holding([...first, last])).toEqual([true, true, true, true, false]);
    expect(last.changes).toEqual([true, false]);
    expect(first.flatMap(({ changes }) => changes)).toEqual([true, true, true, true]);
  });

  it('are fewer where the browser has kept connections that nobody has any more, but one at least', () => {
    kept = 1;
    const all = tabs(6);
    settle();
    expect(holding(all)).toEqual([true, true, true, false, false, false]);
    // one more is kept, and the tab that lost it says so
    kept = 2;
    all[5]!.seat.recount();
    settle();
    expect(holding(all)).toEqual([true, true, false, false, false, false]);
    kept = 9;
    all[0]!.seat.recount();
    settle();
    expect(holding(all)).toEqual([true, false, false, false, false, false]);
  });

  it('are recounted by one that does not know its own yet without a judgement', () => {
    const { seat, changes } = tab();
    seat.recount();
    expect([seat.holds, changes]).toEqual([undefined, []]);
    settle();
    expect(changes).toEqual([true]);
  });

  it('are counted for each server', () => {
    const all = [...tabs(4), ...tabs(4, { port: '81' }), ...tabs(4, { hostname: 'example.org' })];
    settle();
    expect(holding(all)).toEqual(all.map(() => true));
  });

  it('cost no message while nothing changes and nobody waits', () => {
    tabs(4);
    settle();
    const before = FakeChannel.messages.length;
    jest.advanceTimersByTime(600_000);
    expect(FakeChannel.messages).toHaveLength(before);
  });

  it('leave nothing behind', () => {
    const all = tabs(6);
    settle();
    for (const { seat } of all) seat.leave();
    all[0]!.seat.leave();
    jest.runOnlyPendingTimers();
    expect(jest.getTimerCount()).toBe(0);
    expect(FakeChannel.open).toEqual([]);
    expect(all.map(({ seat }) => seat.isCounted)).toEqual(all.map(() => false));
  });
});

describe('connections are not counted', () => {
  it('where there is no channel', () => {
    const seat = new Seat(engine(), () => null, () => 0, () => {}); // prettier-ignore
    seat.claim();
    expect([seat.holds, seat.isCounted]).toEqual([true, false]);
    seat.leave();
  });

  /** What a browser tells of what it has loaded. */
  function loaded(name: string, nextHopProtocol: string): void {
    jest.spyOn(performance, 'getEntries').mockReturnValue([{ name, nextHopProtocol }] as never);
  }

  afterEach(() => void jest.restoreAllMocks());

  it.each([
    ['h2', 'https://example.com/page.html', '443'],
    ['h3', 'https://example.com/socket.io/?EIO=4', 443],
    ['h2', 'https://example.com:8443/', '8443'],
  ])('where requests share a connection: %s to %s', (protocol, name, port) => {
    loaded(name, protocol);
    const all = tabs(6, { secure: true, port });
    expect(holding(all)).toEqual(all.map(() => true));
    expect(all.map(({ seat }) => seat.isCounted)).toEqual(all.map(() => false));
    expect(FakeChannel.open).toEqual([]);
  });

  it.each([
    ['http/1.1', 'https://example.com/', '443'],
    // of another origin, without Timing-Allow-Origin
    ['', 'https://example.com/', '443'],
    ['h2', 'https://example.com/', '8443'],
    ['h2', 'https://example.com.evil.org/', '443'],
  ])('only there: not with %p to %s', (protocol, name, port) => {
    loaded(name, protocol);
    const all = tabs(5, { secure: true, port });
    settle();
    expect(holding(all)).toEqual([true, true, true, true, false]);
  });

  it('from then on when it turns out later that requests share one', () => {
    loaded('https://example.com/', '');
    const all = tabs(5, { secure: true, port: '443' });
    settle();
    loaded('https://example.com/', 'h2');
    jest.advanceTimersByTime(15_000);
    const { seat, changes } = all[4]!;
    expect([seat.holds, seat.isCounted, changes]).toEqual([true, false, [false, true]]);
  });
});
