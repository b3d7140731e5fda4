import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { connect } from 'nestwire/client';
import { until } from '../../support/wire-engine.js';
import { Cluster } from './support.js';

/** Milliseconds within which clients of a node that was killed are back. */
const BACK_WITHIN = 5_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterEach(() => cluster.hangUp());
afterAll(() => cluster?.close());

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

/** Opens clients until every node has some: a balancer gives a node that was away nothing for a moment. */
async function openOnAll(make: (url: string) => Socket): Promise<Watched[]> {
  const all: Watched[] = [];
  do {
    // oxlint-disable-next-line no-await-in-loop
    all.push(...(await Promise.all((await cluster.openMany(15, make)).map(watch))));
  } while (new Set(all.map(({ owner }) => owner)).size < cluster.nodes.length);
  return all;
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
    const all = await openOnAll(make);
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
    await cluster.replace(0);
  });

  it('is not asked for any more, and its successor is a node like any other', async () => {
    const before = await Promise.all((await cluster.openMany(9, polling)).map(watch));
    await cluster.nodes[0]!.end('SIGKILL');
    const successor = await cluster.replace(0);
    await until(() => before.every(({ client }) => client.connected));
    const owners = new Set((await openOnAll(polling)).map(({ owner }) => owner));
    expect(owners).toEqual(new Set(cluster.nodes.map(({ pid }) => pid)));
    expect(owners.has(successor.pid)).toBe(true);
  });
});
