import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { connect } from 'nestwire/client';
import { until } from '../../support/wire-engine.js';
import { Cluster } from './support.js';

/** Milliseconds within which clients of a node that was killed are back. */
const BACK_WITHIN = 5_000;

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterEach(() => cluster?.close());

interface Watched {
  readonly client: Socket;
  readonly owner: number;
  readonly lost: string[];
}

async function watch(client: Socket): Promise<Watched> {
  const owner = (await client.emitWithAck('who')) as number;
  const lost: string[] = [];
  client.on('disconnect', (reason) => lost.push(reason));
  return { client, owner, lost };
}

const polling = (url: string) => io(url, { forceNew: true, transports: ['polling'] });
const webSocket = (url: string) => io(url, { forceNew: true, transports: ['websocket'] });
const eventSource = (url: string) => connect(url, { forceNew: true, transports: ['eventsource'] });

describe('a node that is killed', () => {
  it.each([
    ['poll', polling],
    ['use WebSocket', webSocket],
    ['stream', eventSource],
  ])('has its clients that %s back soon, and all others notice nothing', async (_how, make) => {
    const all = await Promise.all((await cluster.openMany(30, make)).map(watch));
    const killed = cluster.nodes[0]!;
    const its = all.filter(({ owner }) => owner === killed.pid);
    const others = all.filter(({ owner }) => owner !== killed.pid);
    expect(its.length).toBeGreaterThan(0);
    expect(others.length).toBeGreaterThan(0);
    const began = performance.now();
    await killed.end('SIGKILL');
    await until(() => its.every(({ client, lost }) => lost.length > 0 && client.connected));
    expect(performance.now() - began).toBeLessThan(BACK_WITHIN);
    for (const { client, owner } of its) expect(await client.emitWithAck('who')).not.toBe(owner);
    // they go on where they were, whatever went through the one that was killed
    for (const { client, owner } of others) expect(await client.emitWithAck('who')).toBe(owner);
    expect(others.flatMap(({ lost }) => lost)).toEqual([]);
  });

  it('is not asked for any more, and its successor is a node like any other', async () => {
    const before = await Promise.all((await cluster.openMany(9, polling)).map(watch));
    await cluster.nodes[0]!.end('SIGKILL');
    const successor = await cluster.replace(0);
    await until(() => before.every(({ client }) => client.connected));
    const clients = await cluster.openMany(12, polling);
    const owners = new Set(await Promise.all(clients.map((client) => client.emitWithAck('who'))));
    expect(owners).toEqual(new Set(cluster.nodes.map(({ pid }) => pid)));
    expect(owners.has(successor.pid)).toBe(true);
  });

  it('that hangs is given up when its lease has run out', async () => {
    const all = await Promise.all((await cluster.openMany(12, polling)).map(watch));
    const hung = cluster.nodes[0]!;
    const others = all.filter(({ owner }) => owner !== hung.pid);
    hung.signal('SIGSTOP');
    try {
      await until(() => cluster.nodes.length === 3 && others.every(({ client }) => client.connected));
      let stats = await cluster.nodes[1]!.stats();
      while (stats.relay.nodes > 2) stats = await cluster.nodes[1]!.stats();
      expect(stats.relay.nodes).toBe(2);
    } finally {
      hung.signal('SIGCONT');
    }
  });
});
