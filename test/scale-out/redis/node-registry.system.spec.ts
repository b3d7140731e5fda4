/** On a real Redis. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RedisConnection } from '../../../lib/scale-out/redis/connection.js';
import { RedisNodeRegistry } from '../../../lib/scale-out/redis/node-registry.js';
import { startRedis, type RedisServer } from '../../support/redis-server.js';
import { describeRegistry } from '../registry-contract.js';

let redis: RedisServer;
let connections: RedisConnection[];

const connect = async (): Promise<RedisConnection> => {
  const connection = new RedisConnection({ url: redis.url, disableOfflineQueue: true });
  connections.push(connection);
  await connection.open();
  return connection;
};

/** A registry of its own for each test. */
const makeViews = async () => {
  const key = `nodes ${Math.random()}`;
  return { key, here: new RedisNodeRegistry(await connect(), key), there: new RedisNodeRegistry(await connect(), key) };
};

let views: Awaited<ReturnType<typeof makeViews>>;

describe.each([
  ['a Redis', []],
  ['a Redis in cluster mode', ['--cluster-enabled', 'yes']],
])('nodes in %s', (name, options) => {
  beforeAll(async () => {
    connections = [];
    redis = await startRedis(options);
    if (options.length === 0) return;
    const { client } = await connect();
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
    // it serves once it has looked at itself
    // oxlint-disable-next-line no-await-in-loop
    while (!String(await client.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok')) continue;
  });
  beforeEach(async () => (views = await makeViews()));
  afterEach(() => Promise.all(connections.map((connection) => connection.close())));
  afterAll(() => redis.close());

  describeRegistry(name, async () => new RedisNodeRegistry(await connect(), views.key));

  it('leaves nothing behind when all nodes are gone', async () => {
    const { client } = connections.at(-1)!;
    await views.here.renew({ id: 'a', address: 'x:1' }, 1);
    // oxlint-disable-next-line no-await-in-loop
    while ((await client.exists(views.key)) === 1) continue;
    expect(await client.keys(`${views.key}*`)).toEqual([]);
  });

  it('does not shorten the life of the others', async () => {
    const { client } = connections.at(-1)!;
    await views.here.renew({ id: 'a', address: 'x:1' }, 60_000);
    await views.there.renew({ id: 'b', address: 'x:2' }, 10);
    expect(await client.pTTL(views.key)).toBeGreaterThan(50_000);
  });

  it('ignores what is not an entry', async () => {
    const { client } = connections.at(-1)!;
    await client.hSet(views.key, 'odd', 'nonsense');
    expect(await views.here.renew({ id: 'a', address: 'x:1' }, 60_000)).toEqual([{ id: 'a', address: 'x:1' }]);
    expect(await client.hKeys(views.key)).toEqual(['a']);
  });
});

describe('a registry of nodes whose Redis', () => {
  const node = { id: 'a', address: 'x:1' };
  beforeEach(async () => {
    connections = [];
    redis = await startRedis();
    views = await makeViews();
  });
  afterEach(async () => {
    await Promise.all(connections.map((connection) => connection.close()));
    await redis.close();
  });

  it('is gone rejects, and works again when it is back', async () => {
    await redis.stop();
    await expect(views.here.renew(node, 1000)).rejects.toThrow();
    await expect(views.here.remove('a')).rejects.toThrow();
    await redis.start();
    const renewed = async (): Promise<unknown> => {
      for (;;) {
        try {
          // oxlint-disable-next-line no-await-in-loop
          return await views.here.renew(node, 60_000);
        } catch {
          // oxlint-disable-next-line no-await-in-loop
          await new Promise(setImmediate);
        }
      }
    };
    expect(await renewed()).toEqual([node]);
  });

  it('hangs rejects, too, and works again when it goes on', async () => {
    await views.here.renew(node, 60_000);
    redis.pause();
    await expect(views.here.renew(node, 60_000)).rejects.toThrow('no answer within 1500 ms');
    await expect(views.here.remove('a')).rejects.toThrow('no answer within 1500 ms');
    redis.resume();
    expect(await views.there.renew({ id: 'b', address: 'x:2' }, 60_000)).toContainEqual({ id: 'b', address: 'x:2' });
  });
});
