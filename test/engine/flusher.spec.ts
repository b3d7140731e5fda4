import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FLUSH, Flusher, type Flushable, type FlushTime } from '../../lib/engine/flusher.js';

describe('Flusher', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const log: string[] = [];

  /** A session whose flush takes as long as it says. */
  class Session implements Flushable {
    awaits: FlushTime = FLUSH.NEVER;

    constructor(
      readonly name: string,
      readonly milliseconds = 0,
      readonly afterwards = () => {},
    ) {}

    flush(): void {
      log.push(`${this.name} at ${performance.now() - start}`);
      now += this.milliseconds;
      this.afterwards();
    }
  }

  let start = 0;
  let now = 0;
  let flusher: Flusher;

  beforeEach(() => {
    log.length = 0;
    now = 1000;
    start = now;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    flusher = new Flusher();
  });

  const turn = (milliseconds = 0) => {
    now += milliseconds;
    jest.advanceTimersByTime(milliseconds);
  };

  it('flushes all sessions once at the end of the turn, in order', () => {
    const sessions = [new Session('a'), new Session('b')];
    for (const session of [...sessions, ...sessions]) flusher.flushThisTurn(session);
    expect(log).toEqual([]);
    expect(sessions.map(({ awaits }) => awaits)).toEqual([FLUSH.THIS_TURN, FLUSH.THIS_TURN]);
    expect(jest.getTimerCount()).toBe(1);
    turn();
    expect(log).toEqual(['a at 0', 'b at 0']);
    expect(sessions.map(({ awaits }) => awaits)).toEqual([FLUSH.NEVER, FLUSH.NEVER]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('takes a session that is added during a flush to the next one', () => {
    const late = new Session('late');
    flusher.flushThisTurn(new Session('first', 0, () => flusher.flushThisTurn(late)));
    turn();
    expect(log).toEqual(['first at 0']);
    turn(1);
    expect(log).toEqual(['first at 0', 'late at 1']);
  });

  it('keeps the distance of a long flush, and none after a short one', () => {
    flusher.flushWithBroadcasts(new Session('long', 5));
    turn();
    flusher.flushWithBroadcasts(new Session('next'));
    turn(4);
    expect(log).toEqual(['long at 0']);
    turn(1);
    expect(log).toEqual(['long at 0', 'next at 10']);
    flusher.flushWithBroadcasts(new Session('after'));
    turn();
    expect(log.at(-1)).toBe('after at 10');
  });

  it('does not wait when the distance has passed already', () => {
    flusher.flushWithBroadcasts(new Session('long', 5));
    turn();
    turn(6);
    flusher.flushWithBroadcasts(new Session('next'));
    turn();
    expect(log.at(-1)).toBe('next at 11');
  });

  it('waits 5 ms at most', () => {
    flusher.flushWithBroadcasts(new Session('very long', 500));
    turn();
    flusher.flushWithBroadcasts(new Session('next'));
    turn(4);
    expect(log).toHaveLength(1);
    turn(1);
    expect(log.at(-1)).toBe('next at 505');
  });

  it('never lets anything but broadcasts wait, and then the session has written all', () => {
    flusher.flushWithBroadcasts(new Session('long', 5));
    turn();
    const waiting = new Session('waiting');
    const answered = new Session('answered');
    flusher.flushWithBroadcasts(waiting);
    flusher.flushWithBroadcasts(answered);
    flusher.flushThisTurn(answered);
    turn();
    expect(log.slice(1)).toEqual(['answered at 5']);
    turn(5);
    expect(log.slice(2)).toEqual(['waiting at 10', 'answered at 10']);
  });

  it('keeps no distance for 16 flushes after one that has waited in vain', () => {
    const long = () => flusher.flushWithBroadcasts(new Session('long', 5));
    const promptly = (count: number) => {
      for (let i = 0; i < count; i++) {
        long();
        turn();
      }
    };
    promptly(1);
    long();
    turn(5);
    log.length = 0;
    promptly(16);
    expect(log).toHaveLength(16);
    long();
    turn();
    expect(log).toHaveLength(16);
    turn(5);
    expect(log).toHaveLength(17);
  });

  it('keeps the distance as long as broadcasts are joined by it', () => {
    flusher.flushWithBroadcasts(new Session('long', 5));
    turn();
    for (let i = 1; i <= 3; i++) {
      const session = new Session('long', 5);
      flusher.flushWithBroadcasts(session);
      turn(1);
      // another broadcast, to the same
      flusher.flushWithBroadcasts(session);
      turn(3);
      expect(log).toHaveLength(i);
      turn(1);
      expect(log).toHaveLength(i + 1);
    }
  });

  it('lets broadcasts leave with what is flushed in this turn anyway', () => {
    flusher.flushThisTurn(new Session('answered'));
    flusher.flushWithBroadcasts(new Session('heard'));
    expect(jest.getTimerCount()).toBe(1);
    turn();
    expect(log).toEqual(['answered at 0', 'heard at 0']);
  });

  it('flushes behind what has been put off, also when nothing waits yet', () => {
    const order: string[] = [];
    setImmediate(() => flusher.flushThisTurn(new Session('answer', 0, () => order.push('written'))));
    flusher.flushAfterThis();
    setImmediate(() => order.push('later'));
    turn();
    expect(order).toEqual(['written', 'later']);
    expect(jest.getTimerCount()).toBe(0);
    flusher.flushAfterThis();
    turn();
    expect(log).toEqual(['answer at 0']);
  });

  it('goes on with the others after one has thrown', () => {
    const boom = () => {
      throw new Error('boom');
    };
    for (const add of [flusher.flushThisTurn.bind(flusher), flusher.flushWithBroadcasts.bind(flusher)]) {
      log.length = 0;
      for (const session of [new Session('a', 0, boom), new Session('b'), new Session('c')]) add(session);
      expect(() => turn()).toThrow('boom');
      turn(1);
      expect(log.map((line) => line[0])).toEqual(['a', 'b', 'c']);
    }
  });
});
