/** What nodes do while Redis is away, hangs or restarts, and afterwards. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Socket as Client } from 'socket.io-client';
import { afterCase, cleanUp, collect, connect, next } from '../../nest/support.js';
import { startRedis, type RedisServer } from '../../support/redis-server.js';
import { relayStats, startNode, startProcess, until, type Node } from './support.js';

const RECOVERY = { connectionStateRecovery: {} };
let redis: RedisServer;
let a: Node;
let b: Node;
let one: Client;
let other: Client;
/** Rejections that nobody handled: each would have ended a process. */
let unhandled: unknown[];

beforeEach(async () => {
  unhandled = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  afterCase(() => void process.off('unhandledRejection', onUnhandled));
  redis = await startRedis();
  afterCase(() => redis.close());
  [a, b] = [await startNode(redis, {}, RECOVERY), await startNode(redis, {}, RECOVERY)];
  [one, other] = [await connect(a.url), await connect(b.url)];
});
afterEach(async () => {
  await cleanUp();
  expect(unhandled).toEqual([]);
});

/** What does not need Redis. */
async function worksOnItsOwnNode(): Promise<void> {
  expect(await one.emitWithAck('ack', 'x')).toBe('x!');
  const answered = next(one, 'answered');
  one.emit('answer', 'y');
  expect((await answered)[0]).toBe('y');
  const streamed = next(one, 'stream');
  one.emit('stream', 'z');
  expect((await streamed)[0]).toBe('z streamed');
  const said = next(one, 'said');
  one.emit('local', 'here');
  expect((await said)[0]).toBe('here');
  const exception = next(one, 'exception');
  one.emit('fail');
  expect(await exception).toMatchObject({ status: 'error' });
  const newcomer = await connect(a.url);
  expect(await newcomer.emitWithAck('ack', 'new')).toBe('new!');
  newcomer.disconnect();
}

/** Milliseconds of CPU that this process takes while Redis is away, for a second of time. */
async function cpuOfASecond(): Promise<number> {
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe.each([
  ['hangs', () => redis.pause(), () => redis.resume()],
  ['is gone', () => redis.stop(), () => redis.start()],
])('while Redis %s', (how, takeAway, giveBack) => {
  it('a node serves its own clients, rests, and sends the others what waited', async () => {
    const [here, there] = [collect(one, 'said'), collect(other, 'said')];
    await takeAway();
    if (how === 'is gone') await until(() => a.lines.length > 0 && b.lines.length > 0);
    await worksOnItsOwnNode();
    here.length = 0;
    for (const text of ['first', 'second', 'third']) one.emit('say', text);
    await one.emitWithAck('ack', 'they have been said');
    // one core could not be busy for longer: a loop without rest takes all of it
    expect(await cpuOfASecond()).toBeLessThan(600);
    expect(await one.emitWithAck('ack', 'still')).toBe('still!');
    expect([here, there]).toEqual([[], []]);
    await until(() => !relayStats(a.io).isRegistryReachable);

    await giveBack();
    await until(() => here.length === 3 && there.length === 3);
    expect([here, there]).toEqual([
      ['first', 'second', 'third'],
      ['first', 'second', 'third'],
    ]);
    const back = next(one, 'said');
    other.emit('say', 'back');
    expect((await back)[0]).toBe('back');
    await until(() => relayStats(a.io).isRegistryReachable && relayStats(a.io).nodes === 2);
    // not a line for every try
    const expected = how === 'is gone' ? [expect.stringContaining('is away'), expect.stringContaining('is back')] : [];
    expect(a.lines).toEqual(expected);
  });

  it('a client that comes back gets a new session at once, and a node closes', async () => {
    const { io } = one;
    const offset = next(one, 'said');
    one.emit('say', 'something');
    await offset;
    await takeAway();
    const reconnected = next(one, 'connect');
    io.engine.close();
    one.connect();
    await reconnected;
    expect(one.recovered).toBe(false);
    expect(await one.emitWithAck('ack', 'x')).toBe('x!');
    await a.app.close();
    await giveBack();
  });
});

describe('a Redis that restarts', () => {
  it('again and again, under load, ends no process', async () => {
    const { child, url } = await startProcess(redis);
    const client = await connect(url);
    const there = collect(client, 'said');
    for (let round = 0; round < 3; round++) {
      // oxlint-disable no-await-in-loop
      const load = setInterval(() => client.emit('say', 'load'), 1);
      await next(client, 'said');
      await redis.stop();
      await redis.start();
      clearInterval(load);
      await until(() => {
        client.emit('say', 'after');
        return there.at(-1) === 'after';
      });
      // oxlint-enable no-await-in-loop
    }
    expect(await client.emitWithAck('ack', 'alive')).toBe('alive!');
    expect(child.exitCode).toBeNull();
  });

  it('empty gets the secret of its nodes again', async () => {
    await until(() => relayStats(a.io).nodes === 2);
    await redis.stop();
    await redis.start();
    await until(() => a.lines.length === 2 && b.lines.length === 2 && relayStats(a.io).nodes === 2);
    const c = await startNode(redis);
    await until(() => relayStats(c.io).nodes === 3);
    expect([...a.lines, ...b.lines].filter((line) => line.includes('secret'))).toEqual([]);
  });
});

describe('what waits for Redis', () => {
  it('is bounded: more goes to the clients of its node at once', async () => {
    const small = await startNode(redis, { maxWaiting: 5 }, RECOVERY);
    const client = await connect(small.url);
    const heard = collect(client, 'said');
    await redis.stop();
    await until(() => small.lines.length > 0);
    for (let i = 0; i < 8; i++) client.emit('say', String(i));
    await until(() => heard.length > 0);
    expect(heard).not.toContain('0');
    await redis.start();
    await until(() => heard.includes('0'));
  });
});
