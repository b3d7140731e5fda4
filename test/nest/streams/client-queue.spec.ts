import { describe, expect, it } from '@jest/globals';
import { ClientQueue, type Job } from '../../../lib/nest/streams/client-queue.js';

/** Writes down what happens to it. */
class TestJob implements Job {
  constructor(
    readonly name: string,
    private readonly log: string[],
    readonly limit = 100,
    private readonly replacing = '',
  ) {}

  start(): void {
    this.log.push(this.name);
  }

  replaces(older: Job): boolean {
    return this.replacing !== '' && (older as TestJob).name.startsWith(this.replacing);
  }

  overflown(queue: ClientQueue): void {
    this.log.push(`no room for ${this.name}, ${queue.waiting} wait`);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a client’s queue', () => {
  const make = (width?: number) => {
    const log: string[] = [];
    const queue = new ClientQueue(width);
    const add = (name: string, limit?: number, replacing?: string) =>
      queue.add(new TestJob(name, log, limit, replacing));
    return { log, queue, add };
  };

  it('lets a job begin at once, and the next when it is done', () => {
    const { log, queue, add } = make();
    for (const name of ['a', 'b', 'c']) add(name);
    expect([log, queue.waiting, queue.isIdle]).toEqual([['a'], 2, false]);
    queue.done();
    expect([log, queue.waiting]).toEqual([['a', 'b'], 1]);
    queue.done();
    queue.done();
    expect([log, queue.waiting, queue.isIdle]).toEqual([['a', 'b', 'c'], 0, true]);
    add('d');
    expect(log.at(-1)).toBe('d');
  });

  it('lets as many be under way as it is wide', () => {
    const { log, queue, add } = make(2);
    for (const name of ['a', 'b', 'c', 'd']) add(name);
    expect(log).toEqual(['a', 'b']);
    queue.done();
    expect(log).toEqual(['a', 'b', 'c']);
    for (let index = 0; index < 3; index++) queue.done();
    expect([log, queue.isIdle]).toEqual([['a', 'b', 'c', 'd'], true]);
  });

  it('keeps the order of very many, added and done in turns', () => {
    const { log, queue, add } = make();
    const names = Array.from({ length: 5000 }, (_, index) => String(index));
    names.forEach((name, index) => {
      add(name, Infinity);
      if (index % 3 === 0) queue.done();
    });
    while (!queue.isIdle) queue.done();
    expect(log).toEqual(names);
  });

  it('tells when it is idle, at once or later', () => {
    const { log, queue, add } = make();
    queue.whenIdle(() => log.push('idle'));
    add('a');
    add('b');
    queue.whenIdle(() => log.push('idle again'));
    queue.done();
    expect(log).toEqual(['idle', 'a', 'b']);
    queue.done();
    expect(log).toEqual(['idle', 'a', 'b', 'idle again']);
  });

  it('drops those that wait and fulfil a condition', () => {
    const { log, queue, add } = make();
    for (const name of ['a1', 'a2', 'b1', 'a3', 'b2']) add(name);
    queue.done();
    queue.drop((job) => (job as TestJob).name.startsWith('a'));
    expect(queue.waiting).toBe(2);
    while (!queue.isIdle) queue.done();
    expect(log).toEqual(['a1', 'a2', 'b1', 'b2']);
  });

  it('has no room for what is over the limit when the turn ends', async () => {
    const { log, queue, add } = make();
    for (const name of ['a', 'b', 'c', 'd', 'e']) add(name, 2);
    expect(queue.waiting).toBe(4);
    await turn();
    expect([log, queue.waiting]).toEqual([['a', 'no room for d, 2 wait', 'no room for e, 2 wait'], 2]);
    while (!queue.isIdle) queue.done();
    expect(log.slice(3)).toEqual(['b', 'c']);
  });

  it('has room for all that begin before the turn ends', async () => {
    const { log, queue, add } = make();
    for (const name of ['a', 'b', 'c', 'd', 'e']) add(name, 2);
    queue.done();
    queue.done();
    await turn();
    expect([log, queue.waiting]).toEqual([['a', 'b', 'c'], 2]);
  });

  it('keeps to the limit of each job, and lets it take the place of an older one that it may replace', async () => {
    const { log, queue, add } = make();
    add('running');
    add('a1', 10);
    add('b1', 2, 'b');
    add('b2', 2, 'b');
    add('c1', 1);
    add('a2', 10);
    add('d1', 3, 'd');
    add('d2', 4, 'd');
    await turn();
    expect(log.slice(1)).toEqual(['b1', 'c1', 'd1'].map((name) => `no room for ${name}, 4 wait`));
    while (!queue.isIdle) queue.done();
    expect(log.slice(4)).toEqual(['a1', 'b2', 'a2', 'd2']);
  });

  it('forgets that it overflowed when a job finds nobody waiting', async () => {
    const { queue, add } = make();
    queue.isOverflowing = true;
    add('a');
    add('b');
    expect(queue.isOverflowing).toBe(false);
    queue.isOverflowing = true;
    add('c');
    expect(queue.isOverflowing).toBe(true);
  });
});
