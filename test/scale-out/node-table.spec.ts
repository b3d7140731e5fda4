import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import type { NodeRecord, NodeRegistry } from '../../lib/scale-out/node-registry.js';
import { NodeTable } from '../../lib/scale-out/node-table.js';

const self: NodeRecord = { id: 'self', address: '127.0.0.1:1' };
const peer: NodeRecord = { id: 'peer', address: '127.0.0.1:2' };

/** A registry that can be away, and counts how often it is asked. */
class Breakable implements NodeRegistry {
  isAway = false;
  asked = 0;
  removed: string[] = [];
  nodes: NodeRecord[] = [];

  async renew(node: NodeRecord): Promise<readonly NodeRecord[]> {
    this.asked++;
    if (this.isAway) throw new Error('connection refused');
    return [node, ...this.nodes];
  }

  async remove(id: string): Promise<void> {
    if (this.isAway) throw new Error('connection refused');
    this.removed.push(id);
  }
}

let registry: Breakable;
let table: NodeTable;
let gone: string[];
let lines: string[];
/** When the registry was lost, and null for each time it was found. */
let changes: (number | null)[];

beforeEach(() => {
  jest.useFakeTimers();
  registry = new Breakable();
  gone = [];
  lines = [];
  changes = [];
  table = new NodeTable({
    registry,
    self,
    lease: 5_000,
    renewEvery: 1_500,
    log: (line) => lines.push(line),
    onGone: (id) => gone.push(id),
    onLost: (since) => changes.push(since),
    onFound: () => changes.push(null),
  });
});

afterEach(async () => {
  await table.close();
  jest.useRealTimers();
});

describe('the table of nodes', () => {
  it('enters its node, and renews the lease', async () => {
    await table.start();
    expect(registry.asked).toBe(1);
    await jest.advanceTimersByTimeAsync(4_500);
    expect(registry.asked).toBe(4);
    expect(table.size).toBe(1);
  });

  it('knows the others at once that were there', async () => {
    registry.nodes = [peer];
    await table.start();
    expect(table.find('peer')).toEqual(peer);
    expect(registry.asked).toBe(1);
  });

  it('asks for one that it does not know', async () => {
    await table.start();
    registry.nodes = [peer];
    const found = table.find('peer');
    await jest.advanceTimersByTimeAsync(20);
    expect(await found).toEqual(peer);
    expect(table.find('peer')).toEqual(peer);
  });

  it('asks once for many, and within 50 ms, however many forged or dead ids arrive', async () => {
    await table.start();
    const found = Array.from({ length: 1000 }, (_, i) => table.find(`nobody-${i}`));
    await jest.advanceTimersByTimeAsync(49);
    expect(await Promise.all(found)).toEqual(Array.from({ length: 1000 }, () => undefined));
    expect(registry.asked).toBe(2);
  });

  it('says who is gone', async () => {
    registry.nodes = [peer];
    await table.start();
    registry.nodes = [];
    await jest.advanceTimersByTimeAsync(1_500);
    expect(gone).toEqual(['peer']);
  });

  it('keeps the last answer of a registry that cannot be reached, and says so once', async () => {
    registry.nodes = [peer];
    await table.start();
    registry.isAway = true;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(table.find('peer')).toEqual(peer);
    expect(gone).toEqual([]);
    expect(table.isReachable).toBe(false);
    expect(lines).toEqual(['the registry of nodes cannot be reached: connection refused']);
    registry.isAway = false;
    await jest.advanceTimersByTimeAsync(1_500);
    expect(table.isReachable).toBe(true);
    expect(lines.slice(1)).toEqual(['the registry of nodes can be reached again']);
  });

  it('tells when the registry was asked first without an answer, and when it answers again', async () => {
    await table.start();
    registry.isAway = true;
    await jest.advanceTimersByTimeAsync(1_500);
    const asked = performance.now();
    await jest.advanceTimersByTimeAsync(6_000);
    expect(changes).toEqual([asked]);
    registry.isAway = false;
    await jest.advanceTimersByTimeAsync(1_500);
    expect(changes).toEqual([asked, null]);
  });

  it('knows how long ago it asked what was answered, and nothing while it gets no answer', async () => {
    expect(table.age).toBeUndefined();
    await table.start();
    await jest.advanceTimersByTimeAsync(700);
    expect(table.age).toBe(700);
    registry.isAway = true;
    await jest.advanceTimersByTimeAsync(800);
    expect(table.age).toBeUndefined();
    registry.isAway = false;
    await jest.advanceTimersByTimeAsync(1_600);
    expect(table.age).toBe(100);
    await table.close();
    expect(table.age).toBeUndefined();
  });

  it('names the others, as they were when the registry answered last', async () => {
    registry.nodes = [peer];
    await table.start();
    registry.isAway = true;
    await jest.advanceTimersByTimeAsync(1_500);
    expect(table.others).toEqual([peer]);
  });

  it('knows nobody new while the registry cannot be reached', async () => {
    await table.start();
    registry.isAway = true;
    const found = table.find('peer');
    await jest.advanceTimersByTimeAsync(20);
    expect(await found).toBeUndefined();
  });

  it('fails to start without a registry, and goes on trying', async () => {
    registry.isAway = true;
    await expect(table.start()).rejects.toThrow('connection refused');
    registry.isAway = false;
    await jest.advanceTimersByTimeAsync(1_500);
    expect(table.size).toBe(1);
  });

  it('takes its node out, and does nothing more', async () => {
    await table.start();
    await table.close();
    expect(registry.removed).toEqual(['self']);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(registry.asked).toBe(1);
    expect(table.find('peer')).toBeUndefined();
  });

  it('closes without a registry', async () => {
    await table.start();
    registry.isAway = true;
    await table.close();
    expect(registry.removed).toEqual([]);
  });
});

describe('the lease', () => {
  it('ends with its node, by the clock of the registry', async () => {
    const memory = new MemoryNodeRegistry();
    await memory.renew(peer, 5_000);
    await jest.advanceTimersByTimeAsync(5_001);
    expect(await memory.renew(self, 5_000)).toEqual([self]);
  });
});
