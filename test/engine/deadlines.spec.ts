import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Deadlines, deadlineEntry } from '../../lib/engine/deadlines.js';

describe('Deadlines', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const expired: string[] = [];
  const setUp = () => {
    expired.length = 0;
    const deadlines = new Deadlines();
    return { deadlines, queue: deadlines.queue<string>(1000, (item) => expired.push(item)) };
  };

  it('expires items after their delay, in order, by one timer', () => {
    const { queue } = setUp();
    for (const item of ['a', 'b', 'c']) {
      queue.schedule(deadlineEntry(item));
      jest.advanceTimersByTime(100);
    }
    expect(jest.getTimerCount()).toBe(1);
    jest.advanceTimersByTime(680);
    expect(expired).toEqual([]);
    jest.advanceTimersByTime(30);
    expect(expired).toEqual(['a']);
    jest.advanceTimersByTime(1000);
    expect(expired).toEqual(['a', 'b', 'c']);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('lets an item wait anew when it is scheduled again', () => {
    const { queue } = setUp();
    const entry = deadlineEntry('a');
    queue.schedule(entry);
    queue.schedule(deadlineEntry('b'));
    jest.advanceTimersByTime(900);
    queue.schedule(entry);
    jest.advanceTimersByTime(900);
    expect(expired).toEqual(['b']);
    jest.advanceTimersByTime(200);
    expect(expired).toEqual(['b', 'a']);
  });

  it('takes items out from the head, the middle and the end', () => {
    for (const cancelled of ['a', 'b', 'c']) {
      const { queue } = setUp();
      const entries = ['a', 'b', 'c'].map((item) => deadlineEntry(item));
      for (const entry of entries) queue.schedule(entry);
      const entry = entries.find(({ item }) => item === cancelled)!;
      queue.cancel(entry);
      queue.cancel(entry);
      jest.advanceTimersByTime(2000);
      expect(expired).toEqual(['a', 'b', 'c'].filter((item) => item !== cancelled));
    }
  });

  it('moves an entry from one queue to another, and wakes up for the earlier of two queues', () => {
    const { deadlines, queue } = setUp();
    const short = deadlines.queue<string>(100, (item) => expired.push(`short ${item}`));
    const entry = deadlineEntry('a');
    queue.schedule(entry);
    queue.schedule(deadlineEntry('b'));
    short.schedule(entry);
    queue.cancel(entry);
    jest.advanceTimersByTime(150);
    expect(expired).toEqual(['short a']);
    jest.advanceTimersByTime(1000);
    expect(expired).toEqual(['short a', 'b']);
  });

  it('lets an expiring item schedule itself again', () => {
    const deadlines = new Deadlines();
    let beats = 0;
    const queue = deadlines.queue<string>(100, () => {
      beats++;
      queue.schedule(entry);
    });
    const entry = deadlineEntry('a');
    queue.schedule(entry);
    jest.advanceTimersByTime(1050);
    expect(beats).toBe(10);
  });

  it('calls nobody after stop()', () => {
    const { deadlines, queue } = setUp();
    queue.schedule(deadlineEntry('a'));
    deadlines.stop();
    jest.advanceTimersByTime(5000);
    expect(expired).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does at once for all what their time would bring', () => {
    const { queue } = setUp();
    for (const item of ['a', 'b']) queue.schedule(deadlineEntry(item));
    queue.expireAll();
    expect(expired).toEqual(['a', 'b']);
    jest.advanceTimersByTime(5_000);
    expect(expired).toEqual(['a', 'b']);
  });

  it('waits longer than a timer can', () => {
    const late: string[] = [];
    const queue = new Deadlines().queue<string>(2 ** 32, (item) => late.push(item));
    queue.schedule(deadlineEntry('a'));
    jest.advanceTimersByTime(1_000);
    // neither at once, nor by a timer that goes off again and again
    expect(late).toEqual([]);
    expect(jest.getTimerCount()).toBe(1);
    jest.advanceTimersByTime(2 ** 32);
    expect(late).toEqual(['a']);
  });
});
