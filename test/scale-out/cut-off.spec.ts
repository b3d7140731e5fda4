import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CutOff } from '../../lib/scale-out/cut-off.js';
import type { NodeRecord } from '../../lib/scale-out/node-registry.js';

/* What a node makes of what the others say, with others that say what a test wants. */

const b: NodeRecord = { id: 'b', address: '10.0.0.2:1' };
const c: NodeRecord = { id: 'c', address: '10.0.0.3:1' };

/** When the registry answered a node last, or how it fails; by id. */
let answered: Map<string, number | Error>;
/** Those whose answers arrive with {@link speak}; by id. */
let slow: Set<string>;
let asked: string[];
let lines: string[];
let cutOff: CutOff;
let speak: () => void;

beforeEach(() => {
  jest.useFakeTimers();
  answered = new Map();
  asked = [];
  lines = [];
  slow = new Set();
  const spoken = new Promise<void>((resolve) => (speak = resolve));
  cutOff = new CutOff({
    askEvery: 1_000,
    peers: () => [b, c],
    async ask({ id }) {
      asked.push(id);
      const at = answered.get(id);
      if (at instanceof Error) throw at;
      const age = at === undefined ? undefined : performance.now() - at;
      if (slow.has(id)) await spoken;
      return age;
    },
    log: (line) => lines.push(line),
  });
});

afterEach(() => {
  cutOff.stop();
  jest.useRealTimers();
});

const pass = (milliseconds: number) => jest.advanceTimersByTimeAsync(milliseconds);
/** Loses the registry now, and lets the first round of questions end. */
async function lose(): Promise<void> {
  cutOff.lost(performance.now());
  await pass(1);
}
/** From now on the registry answers a node. */
const answers = (id: string) => answered.set(id, performance.now());

describe('a node that cannot reach the registry', () => {
  it('is cut off when another one reaches it, and says once what to do', async () => {
    await lose();
    expect(cutOff.isCutOff).toBe(false);
    answers('c');
    await pass(1_000);
    expect(cutOff.isCutOff).toBe(true);
    await pass(10_000);
    expect(lines).toEqual([expect.stringMatching(/refused here \(503\).*10\.0\.0\.3:1.*balancer ask another node/)]);
  });

  it('is not when no other one does', async () => {
    answered.set('b', new Error('ECONNREFUSED'));
    await lose();
    await pass(10_000);
    expect(asked.length).toBeGreaterThan(10);
    expect(cutOff.isCutOff).toBe(false);
    expect(lines).toEqual([]);
  });

  it('is not when the other one reached it before and has not asked again: it may be down for all', async () => {
    answers('b');
    await pass(10);
    await lose();
    await pass(1_000);
    expect(cutOff.isCutOff).toBe(false);
  });

  it('goes by when the question began to be asked, not by when it was answered', async () => {
    const since = performance.now();
    await pass(500);
    answers('b');
    await pass(1_000);
    // the registry was asked at `since`, and given up only now
    cutOff.lost(since);
    await pass(1);
    expect(cutOff.isCutOff).toBe(true);
  });

  it('is not any more when the others lose the registry as well', async () => {
    await lose();
    answers('b');
    await pass(1_000);
    answered.delete('b');
    await pass(1_000);
    expect(cutOff.isCutOff).toBe(false);
    expect(lines.slice(1)).toEqual([expect.stringMatching('let in again: no other node')]);
  });

  it('is not any more when the registry answers it again, at once', async () => {
    await lose();
    answers('b');
    await pass(1_000);
    cutOff.found();
    expect(cutOff.isCutOff).toBe(false);
    expect(lines.slice(1)).toEqual([expect.stringMatching('let in again: the registry')]);
    asked = [];
    await pass(10_000);
    expect(asked).toEqual([]);
  });

  it('asks the one again that said so, and the others when that has gone', async () => {
    await lose();
    answers('b');
    await pass(1_000);
    asked = [];
    await pass(2_000);
    expect(asked).toEqual(['b', 'b']);
    asked = [];
    answered.set('b', new Error('ECONNREFUSED'));
    answers('c');
    await pass(1_000);
    expect(asked).toEqual(['b', 'b', 'c']);
    expect(cutOff.isCutOff).toBe(true);
    // it has never been otherwise
    expect(lines).toHaveLength(1);
  });

  it('does not wait for one that is silent when another one speaks', async () => {
    slow.add('b');
    const since = performance.now() - 1;
    answers('c');
    cutOff.lost(since);
    await pass(1);
    expect(cutOff.isCutOff).toBe(true);
  });

  it('does not take an answer for newer that was long on its way', async () => {
    slow.add('b');
    answers('b');
    await pass(100);
    await lose();
    await pass(500);
    speak();
    await pass(1);
    expect(cutOff.isCutOff).toBe(false);
  });

  it('does not ask twice at a time', async () => {
    slow = new Set(['b', 'c']);
    await lose();
    await pass(10_000);
    expect(asked).toEqual(['b', 'c']);
    speak();
    await pass(1_000);
    expect(asked).toEqual(['b', 'c', 'b', 'c']);
  });

  it('takes no notice of an answer that comes when the registry has answered itself', async () => {
    slow = new Set(['b', 'c']);
    const since = performance.now() - 1;
    answers('b');
    cutOff.lost(since);
    cutOff.found();
    speak();
    await pass(10);
    expect(cutOff.isCutOff).toBe(false);
    expect(lines).toEqual([]);
  });

  it('asks nobody any more when it leaves', async () => {
    await lose();
    cutOff.stop();
    asked = [];
    await pass(10_000);
    expect(asked).toEqual([]);
  });
});
