import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from 'nestwire/client';
import { io, type Socket } from 'socket.io-client';
import type { Nginx } from '../../support/nginx.js';
import { startRedis, type RedisServer } from '../../support/redis-server.js';
import { ask } from '../../support/wire-http.js';
import { startBalancer } from '../balancer.js';
import { startCuttable, type Cuttable } from './network.js';

/*
 * Two nodes behind a balancer that is not sticky, and a network that breaks in parts.
 */

let redis: RedisServer;
let nodes: Cuttable[];
let nginx: Nginx;
let clients: Watched[];

interface Watched {
  readonly client: Socket;
  /** Process of the node that it was at before anything broke. */
  readonly owner: number;
  readonly lost: string[];
}

beforeEach(async () => {
  clients = [];
  redis = await startRedis();
  nodes = await Promise.all([startCuttable(redis), startCuttable(redis)]);
  nginx = await startBalancer(nodes.map(({ node }) => node.port));
}, 60_000);

afterEach(async () => {
  for (const { client } of clients) client.disconnect();
  await nginx?.stop();
  await Promise.all(nodes.map((node) => node.close()));
  await redis.close();
});

const often = { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 300 };
const stock = (transport: 'polling' | 'websocket') =>
  io(`http://127.0.0.1:${nginx.port}`, { ...often, transports: [transport] });
const own = () => connect(`http://127.0.0.1:${nginx.port}`, { ...often, transports: ['eventsource'] });

/** Clients of one kind, some at each node. */
async function watch(count: number, make: () => Socket): Promise<Watched[]> {
  const all = await Promise.all(
    Array.from({ length: count }, async () => {
      const client = make();
      const lost: string[] = [];
      const owner = (await client.emitWithAck('who')) as number;
      client.on('disconnect', (reason) => lost.push(reason));
      return { client, owner, lost };
    }),
  );
  clients.push(...all);
  for (const { node } of nodes) expect(all.filter(({ owner }) => owner === node.pid).length).toBeGreaterThan(0);
  return all;
}

/** Milliseconds until all clients are at a node and stay there for a while. */
async function settled(all: readonly Watched[], pid: number): Promise<number> {
  const began = performance.now();
  const isThere = async ({ client }: Watched): Promise<boolean> => {
    const answer = await client
      .timeout(2_000)
      .emitWithAck('who')
      .catch(() => 0);
    return client.connected && answer === pid;
  };
  let found = Infinity;
  // each is asked more than once: by polling, every second request takes the other way
  for (let inARow = 0; inARow < 4;) {
    // oxlint-disable-next-line no-await-in-loop
    const there = await Promise.all(all.map(isThere));
    if (there.includes(false)) inARow = 0;
    else if (inARow++ === 0) found = performance.now() - began;
  }
  return found;
}

const lostOf = (all: readonly Watched[]) => all.flatMap(({ lost }) => lost);
const at = (all: readonly Watched[], node: Cuttable) => all.filter(({ owner }) => owner === node.node.pid);

describe('a node that cannot reach Redis, while the other one can', () => {
  it('loses the clients that come by the other one, and keeps those that are connected to it', async () => {
    const polling = await watch(8, () => stock('polling'));
    const webSockets = await watch(6, () => stock('websocket'));
    const [cut, whole] = nodes as [Cuttable, Cuttable];
    cut.toRedis.break();
    const time = await settled(polling, whole.node.pid);
    expect(time).toBeLessThan(20_000);
    expect(lostOf(at(polling, whole))).toEqual([]);
    expect(lostOf(webSockets)).toEqual([]);
    expect((await cut.node.stats()).relay).toMatchObject({
      nodes: 2,
      isRegistryReachable: false,
      isCutOff: true,
    });
    expect((await whole.node.stats()).relay).toMatchObject({
      nodes: 1,
      isRegistryReachable: true,
      isCutOff: false,
    });
  }, 60_000);

  it('refuses new clients, and lets them in again when it reaches Redis', async () => {
    const [cut, whole] = nodes as [Cuttable, Cuttable];
    const handshake = ({ node }: Cuttable) => ask(`http://127.0.0.1:${node.port}/socket.io/?EIO=4&transport=polling`);
    while ((await cut.node.stats()).relay.nodes < 2);
    cut.toRedis.break();
    while (!(await cut.node.stats()).relay.isCutOff);
    expect((await handshake(cut)).status).toBe(503);
    expect((await handshake(whole)).status).toBe(200);
    cut.toRedis.mend();
    while (!(await cut.node.stats()).relay.isRegistryReachable);
    expect((await handshake(cut)).status).toBe(200);
  }, 60_000);
});

describe('a node that its fellow node cannot reach, while both reach Redis', () => {
  it('loses the clients that come by the other one', async () => {
    const polling = await watch(8, () => stock('polling'));
    const webSockets = await watch(6, () => stock('websocket'));
    const [cut, whole] = nodes as [Cuttable, Cuttable];
    cut.fromPeers.break();
    const time = await settled(polling, whole.node.pid);
    expect(time).toBeLessThan(25_000);
    expect(lostOf(at(polling, whole))).toEqual([]);
    expect(lostOf(webSockets)).toEqual([]);
  }, 60_000);
});

describe('a node that neither Redis nor its fellow node can reach', () => {
  it('is given up when its lease has run out', async () => {
    const polling = await watch(8, () => stock('polling'));
    const [cut, whole] = nodes as [Cuttable, Cuttable];
    cut.toRedis.break();
    cut.fromPeers.break();
    const time = await settled(polling, whole.node.pid);
    expect(time).toBeLessThan(20_000);
    expect(lostOf(at(polling, whole))).toEqual([]);
  }, 60_000);
});

describe('nodes that are a second away from each other', () => {
  it.each([
    ['poll', () => stock('polling')],
    ['stream', own],
  ])(
    'keep the order of messages of clients that %s, and lose nobody',
    async (_how, make) => {
      const all = await watch(4, make);
      for (const { fromPeers } of nodes) fromPeers.delay = 1_000;
      const answers = await Promise.all(
        all.map(({ client }) => Promise.all(Array.from({ length: 10 }, (_, n) => client.emitWithAck('count', n)))),
      );
      for (const seen of answers) expect(seen).toEqual(Array.from({ length: 10 }, (_, n) => [n, n]));
      // and one after the other
      for (let n = 10; n < 13; n++) {
        // oxlint-disable-next-line no-await-in-loop
        const more = await Promise.all(all.map(({ client }) => client.emitWithAck('count', n)));
        for (const seen of more) expect(seen).toEqual([n, n]);
      }
      expect(lostOf(all)).toEqual([]);
      // their goodbyes are let through
      for (const { fromPeers } of nodes) fromPeers.delay = 0;
      for (const { client } of all) client.disconnect();
      for (const { node } of nodes) {
        // oxlint-disable-next-line no-await-in-loop
        while ((await node.stats()).sessions > 0);
      }
    },
    60_000,
  );
});
