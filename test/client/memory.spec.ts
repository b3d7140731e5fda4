import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Memory, type VerdictStorage } from '../../lib/client/fallback/memory.js';

const KEY = 'nestwire:example.com';
const NAMES = ['websocket', 'eventsource', 'polling'];
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** What tabs of an origin have in common. */
class FakeStorage implements VerdictStorage {
  readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
}

let storage: FakeStorage;
const tab = (): Memory => new Memory(storage, KEY);
const pass = (milliseconds: number): void => void jest.advanceTimersByTime(milliseconds);

/** How long a transport is left out after each of some failures, of which each comes when it is tried again. */
function pauses(memory: Memory, name: string, count: number, isSilent: boolean): number[] {
  return Array.from({ length: count }, () => {
    memory.failed(name, isSilent);
    const pause = memory.waitFor(name);
    pass(pause);
    return pause;
  });
}

beforeEach(() => {
  jest.useFakeTimers();
  storage = new FakeStorage();
});
afterEach(() => void jest.useRealTimers());

describe('what failed', () => {
  it('is left out for a minute when it was refused, twice as long each time, for half an hour at most', () => {
    expect(pauses(tab(), 'websocket', 7, false).map((pause) => pause / MINUTE)).toEqual([1, 2, 4, 8, 16, 30, 30]);
  });

  it('is left out for ten minutes when it was silent, six times as long each time, for a day at most', () => {
    expect(pauses(tab(), 'websocket', 5, true).map((pause) => pause / MINUTE)).toEqual([10, 60, 360, 1440, 1440]);
  });

  it('counts once for all tabs that were not answered at the same moment', () => {
    const tabs = [tab(), tab(), tab()];
    for (const memory of tabs) memory.failed('websocket', true);
    expect(tabs.map((memory) => [memory.kept, memory.waitFor('websocket')])).toEqual(tabs.map(() => [1, 10 * MINUTE]));
  });

  it('is known to all tabs, those that are there and those to come', () => {
    const [first, second] = [tab(), tab()];
    expect(second.order(NAMES)).toEqual(NAMES);
    first.failed('websocket', true);
    for (const memory of [first, second, tab()]) {
      expect(memory.order(NAMES)).toEqual(['eventsource', 'polling']);
      expect(memory.isOut('websocket')).toBe(true);
      expect(memory.kept).toBe(1);
    }
  });

  it('does not take away what another tab has written', () => {
    const [first, second] = [tab(), tab()];
    first.failed('websocket', true);
    second.failed('eventsource');
    first.opened(20);
    expect(second.order(NAMES)).toEqual(['polling']);
    expect(second.roundTrip).toBe(20);
  });

  it('is for one server', () => {
    tab().failed('websocket');
    expect(new Memory(storage, 'nestwire:example.org').isOut('websocket')).toBe(false);
  });

  it('is tried all the same when nothing else is left', () => {
    const memory = tab();
    for (const name of NAMES) memory.failed(name);
    expect(memory.order(NAMES)).toEqual(NAMES);
  });

  it('is forgotten when it works, as soon as a tab has used it for a time', () => {
    const [first, second] = [tab(), tab()];
    first.failed('websocket', true);
    second.proved('websocket');
    expect([first.isOut('websocket'), first.kept]).toEqual([false, 0]);
    first.failed('websocket', true);
    expect(first.waitFor('websocket')).toBe(10 * MINUTE);
  });

  it('is forgotten when nobody tried it again for half an hour after the time', () => {
    const memory = tab();
    pauses(memory, 'websocket', 2, true);
    pass(30 * MINUTE);
    expect(memory.kept).toBe(0);
    expect(pauses(memory, 'websocket', 1, true)).toEqual([10 * MINUTE]);
  });

  it('is forgotten when the network has gone', () => {
    const [first, second] = [tab(), tab()];
    first.failed('websocket', true);
    first.failed('eventsource');
    second.forget();
    expect(first.order(NAMES)).toEqual(NAMES);
    expect(first.kept).toBe(0);
  });

  it('is forgotten when nothing works, but for what was silent: that is not the server', () => {
    const memory = tab();
    memory.failed('websocket', true);
    memory.failed('eventsource');
    memory.nothingWorked();
    expect(memory.order(NAMES)).toEqual(['eventsource', 'polling']);
    expect([memory.patience, tab().patience]).toEqual([2, 1]);
    memory.opened(20);
    expect(memory.patience).toBe(1);
  });
});

describe('a suspicion', () => {
  it('has others tried first, and is no reason to leave out, until it comes again', () => {
    const memory = tab();
    memory.suspected('websocket');
    expect(memory.order(NAMES)).toEqual(['eventsource', 'polling', 'websocket']);
    expect([memory.isOut('websocket'), memory.waitFor('websocket'), memory.kept]).toEqual([false, 0, 0]);
    memory.proved('websocket');
    memory.suspected('websocket');
    expect(memory.order(NAMES)).toEqual(['eventsource', 'polling']);
  });

  it('passes', () => {
    const memory = tab();
    memory.suspected('websocket');
    pass(MINUTE + 1);
    expect(memory.order(NAMES)).toEqual(NAMES);
    memory.suspected('websocket');
    expect(memory.isOut('websocket')).toBe(false);
  });
});

describe('a turn', () => {
  it('is one tab’s at a time', () => {
    const [first, second] = [tab(), tab()];
    expect([first.takeTurn('websocket'), second.takeTurn('websocket'), second.takeTurn('other')]).toEqual([true, false, true]); // prettier-ignore
    first.endTurn('websocket');
    expect(second.takeTurn('websocket')).toBe(true);
  });

  it('does not leave out what it is about, and says how long to wait', () => {
    tab().takeTurn('websocket');
    const memory = tab();
    expect([memory.isOut('websocket'), memory.order(NAMES)[0]]).toEqual([false, 'websocket']);
    expect(memory.waitFor('websocket')).toBe(6 * SECOND);
    memory.failed('websocket', true);
    expect(memory.waitFor('websocket')).toBe(10 * MINUTE);
  });

  it('is everybody’s for a moment when it works', () => {
    const [first, second] = [tab(), tab()];
    first.takeTurn('websocket');
    first.endTurn('websocket', true);
    expect([second.takeTurn('websocket'), first.takeTurn('websocket'), second.waitFor('websocket')]).toEqual([true, true, 0]); // prettier-ignore
    pass(6 * SECOND + 1);
    expect([second.takeTurn('websocket'), first.takeTurn('websocket')]).toEqual([true, false]);
  });

  it('ends by itself, should its tab be gone', () => {
    tab().takeTurn('websocket');
    pass(6 * SECOND);
    expect(tab().takeTurn('websocket')).toBe(true);
  });
});

describe('storage', () => {
  it.each([
    ['is not there', () => null],
    ['is forbidden', () => ({ getItem: () => { throw new Error('no'); }, setItem: () => { throw new Error('no'); } })], // prettier-ignore
    ['is full', () => ({ getItem: () => null, setItem: () => { throw new Error('full'); } })], // prettier-ignore
  ] as [string, () => VerdictStorage | null][])('that %s leaves the page what it found out itself', (_what, make) => {
    const memory = new Memory(make(), KEY);
    memory.opened(30);
    memory.failed('websocket', true);
    expect(memory.takeTurn('eventsource')).toBe(true);
    expect(memory.takeTurn('eventsource')).toBe(false);
    expect([memory.roundTrip, memory.order(NAMES)]).toEqual([30, ['eventsource', 'polling']]);
    pass(10 * MINUTE);
    expect(memory.order(NAMES)).toEqual(NAMES);
  });

  it.each([
    'nonsense',
    'null',
    '1',
    '"text"',
    '[]',
    '{}',
    '{"failures":{}}',
    '{"failures":{"websocket":null},"turns":{}}',
  ])('with %s in it, of somebody else, begins with nothing', (text) => {
    storage.setItem(KEY, text);
    const memory = tab();
    expect([memory.order(NAMES), memory.kept, memory.waitFor('websocket')]).toEqual([NAMES, 0, 0]);
    memory.failed('websocket');
    expect(tab().order(NAMES)).toEqual(['eventsource', 'polling']);
  });

  it('tells the time of a round trip and what failed until when, and nothing else', () => {
    const memory = tab();
    memory.takeTurn('websocket');
    memory.opened(20.4);
    memory.endTurn('websocket');
    memory.failed('websocket', true);
    expect([...storage.items.keys()]).toEqual([KEY]);
    expect(JSON.parse(storage.items.get(KEY)!)).toEqual({
      roundTrip: 20,
      failures: { websocket: { times: 1, until: Date.now() + HOUR / 6, isSilent: true } },
      turns: { websocket: 0 },
    });
  });
});
