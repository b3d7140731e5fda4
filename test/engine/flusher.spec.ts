import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Flusher, type Flushable } from '../../lib/engine/flusher.js';

describe('Flusher', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const log: string[] = [];

  /** A session whose flush takes as long as it says. */
  class Session implements Flushable {
    dirty = false;

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
    for (const session of sessions) flusher.add(session);
    expect(log).toEqual([]);
    expect(sessions.map(({ dirty }) => dirty)).toEqual([true, true]);
    expect(jest.getTimerCount()).toBe(1);
    turn();
    expect(log).toEqual(['a at 0', 'b at 0']);
    expect(sessions.map(({ dirty }) => dirty)).toEqual([false, false]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('takes a session that is added during a flush to the next one', () => {
    const late = new Session('late');
    flusher.add(new Session('first', 0, () => flusher.add(late)));
    turn();
    expect(log).toEqual(['first at 0']);
    turn(1);
    expect(log).toEqual(['first at 0', 'late at 1']);
  });

  it('keeps the distance of a long flush, and none after a short one', () => {
    flusher.add(new Session('long', 5));
    turn();
    flusher.add(new Session('next'));
    turn(4);
    expect(log).toEqual(['long at 0']);
    turn(1);
    expect(log).toEqual(['long at 0', 'next at 10']);
    flusher.add(new Session('after'));
    turn();
    expect(log.at(-1)).toBe('after at 10');
  });

  it('does not wait when the distance has passed already', () => {
    flusher.add(new Session('long', 5));
    turn();
    turn(6);
    flusher.add(new Session('next'));
    turn();
    expect(log.at(-1)).toBe('next at 11');
  });

  it('waits 20 ms at most', () => {
    flusher.add(new Session('very long', 500));
    turn();
    flusher.add(new Session('next'));
    turn(19);
    expect(log).toHaveLength(1);
    turn(1);
    expect(log.at(-1)).toBe('next at 520');
  });
});
