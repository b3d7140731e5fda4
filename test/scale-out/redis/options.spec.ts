import { describe, expect, it } from '@jest/globals';
import { redisScaleOut, type RedisScaleOutOptions } from 'nestwire/redis';
import { relayHosts } from '../../../lib/scale-out/redis/address.js';
import { waitBefore, within } from '../../../lib/scale-out/redis/connection.js';
import { namesOf } from '../../../lib/scale-out/redis/namespace-adapter.js';
import { resolveRedisOptions } from '../../../lib/scale-out/redis/options.js';

const SECRET = 'x'.repeat(32);

describe('the options of redisScaleOut', () => {
  it('have defaults', () => {
    expect(resolveRedisOptions({}, {})).toEqual({
      client: {},
      target: 'localhost:6379',
      keyPrefix: 'nestwire:',
      streamName: 'nestwire:socket.io',
      streamCount: 1,
      channelPrefix: 'nestwire:socket.io',
      sessionKeyPrefix: 'nestwire:session:',
      maxLen: 10_000,
      maxWaiting: 10_000,
      shardedPubSub: false,
      whenUnreachable: 'fail',
      snapshots: false,
      relay: {},
    });
  });

  it('keep one application from another by the prefix, and follow each other', () => {
    expect(resolveRedisOptions({ keyPrefix: 'shop:', maxLen: 500 }, {})).toMatchObject({
      streamName: 'shop:socket.io',
      channelPrefix: 'shop:socket.io',
      sessionKeyPrefix: 'shop:session:',
      maxWaiting: 500,
    });
    expect(resolveRedisOptions({ streamName: 'socket.io' }, {})).toMatchObject({ channelPrefix: 'socket.io' });
  });

  it('take the secret from the environment, where none is given', () => {
    const environment = { NESTWIRE_SECRET: SECRET };
    expect(resolveRedisOptions({}, environment).relay.secret).toBe(SECRET);
    expect(resolveRedisOptions({ relay: { secret: 'y'.repeat(40) } }, environment).relay.secret).toBe('y'.repeat(40));
    expect(resolveRedisOptions({}, { NESTWIRE_SECRET: '' }).relay.secret).toBeUndefined();
    expect(() => resolveRedisOptions({}, { NESTWIRE_SECRET: 'short' })).toThrow('"scaleOut.relay.secret" must be');
  });

  it.each<[RedisScaleOutOptions, string]>([
    [{ url: 'redis://:secret@redis.example:6380/2' }, 'redis.example:6380'],
    [{ url: 'rediss://user:secret@redis.example' }, 'redis.example:6379'],
    [{ client: { socket: { host: '10.1.1.1', port: 7000 } } }, '10.1.1.1:7000'],
    [{ client: { socket: { path: '/run/redis.sock', tls: false } } }, '/run/redis.sock'],
  ])('say where Redis is without the password: %j', (options, target) => {
    expect(resolveRedisOptions(options, {}).target).toBe(target);
  });

  it.each([
    ['scaleOut.url', { url: 'http://redis:6379' }],
    ['scaleOut.url', { url: 'redis' }],
    ['scaleOut.url', { url: 6379 }],
    ['scaleOut.client', { client: 'redis' }],
    ['scaleOut.client.disableOfflineQueue', { client: { disableOfflineQueue: true } }],
    ['scaleOut.client.password', { client: { password: 5 } }],
    ['scaleOut.client.database', { client: { database: -1 } }],
    ['scaleOut.client.socket', { client: { socket: true } }],
    ['scaleOut.client.socket.reconnectStrategy', { client: { socket: { reconnectStrategy: false } } }],
    ['scaleOut.keyPrefix', { keyPrefix: 5 }],
    ['scaleOut.streamName', { streamName: '' }],
    ['scaleOut.streamCount', { streamCount: 0 }],
    ['scaleOut.channelPrefix', { channelPrefix: '' }],
    ['scaleOut.sessionKeyPrefix', { sessionKeyPrefix: '' }],
    ['scaleOut.maxLen', { maxLen: 1.5 }],
    ['scaleOut.maxWaiting', { maxWaiting: Infinity }],
    ['scaleOut.shardedPubSub', { shardedPubSub: 'yes' }],
    ['scaleOut.whenUnreachable', { whenUnreachable: 'wait' }],
    ['scaleOut.recovery', { recovery: true }],
    ['scaleOut.recovery.snapshots', { recovery: { snapshots: 1 } }],
    ['scaleOut.recovery.other', { recovery: { other: 1 } }],
    ['scaleOut.relay', { relay: 'on' }],
    ['scaleOut.relay.host', { relay: { host: '' } }],
    ['scaleOut.relay.advertisedHost', { relay: { advertisedHost: 1 } }],
    ['scaleOut.relay.port', { relay: { port: 70_000 } }],
    ['scaleOut.relay.secret', { relay: { secret: 'guessable' } }],
    ['scaleOut.host', { host: 'x' }],
    ['scaleOut', null],
    ['scaleOut', 'redis://redis'],
  ])('refuse %s that cannot be honoured: %j', (option, options) => {
    expect(() => redisScaleOut(options as never)).toThrow(
      expect.objectContaining({ name: 'InvalidOptionError', option }),
    );
  });

  it('take what is named but undefined, as values of a configuration may be, for not given', () => {
    const options = { url: undefined, maxLen: undefined, relay: { port: undefined }, recovery: undefined };
    expect(resolveRedisOptions(options, {})).toEqual(resolveRedisOptions({ relay: { port: undefined } }, {}));
  });
});

describe('the names of a server in Redis', () => {
  it('are those of the options for the main server, and of their own for every other one', () => {
    const settings = resolveRedisOptions({ streamCount: 2 }, {});
    expect(namesOf(settings, '0 /socket.io')).toEqual({
      streamName: 'nestwire:socket.io',
      channelPrefix: 'nestwire:socket.io',
      sessionKeyPrefix: 'nestwire:session:',
      streams: ['nestwire:socket.io-0', 'nestwire:socket.io-1'],
    });
    expect(namesOf(resolveRedisOptions({}, {}), '4000 /chat')).toEqual({
      streamName: 'nestwire:socket.io:4000/chat',
      channelPrefix: 'nestwire:socket.io:4000/chat',
      sessionKeyPrefix: 'nestwire:session:4000/chat:',
      streams: ['nestwire:socket.io:4000/chat'],
    });
  });
});

describe('the address of a node', () => {
  const at = (address: string, internal: boolean, family: 'IPv4' | 'IPv6' = 'IPv4') =>
    ({ address, internal, family }) as never;
  const interfaces = {
    lo: [at('127.0.0.1', true), at('::1', true, 'IPv6')],
    eth0: [at('fd00::5', false, 'IPv6'), at('10.0.0.5', false), at('10.0.0.6', false)],
    none: undefined,
  };

  it.each([
    ['the first IPv4 address of the machine', {}, {}, ['10.0.0.5', '10.0.0.5']],
    ['what Kubernetes says', {}, { POD_IP: '10.0.0.6' }, ['10.0.0.6', '10.0.0.6']],
    ['what the environment says first', {}, { NESTWIRE_RELAY_HOST: 'fd00::5', POD_IP: 'x' }, ['fd00::5', 'fd00::5']],
    ['the option before the environment', { host: '10.0.0.6' }, { POD_IP: 'x' }, ['10.0.0.6', '10.0.0.6']],
    ['a name in front of it', { advertisedHost: 'node-1.example' }, {}, ['node-1.example', '0.0.0.0']],
    ['an address in front of it', { advertisedHost: '2001:db8::1' }, {}, ['2001:db8::1', '::']],
    ['both as they are given', { advertisedHost: 'a.example', host: '10.0.0.6' }, {}, ['a.example', '10.0.0.6']],
    ['not what means every address', { host: '0.0.0.0' }, {}, ['10.0.0.5', '0.0.0.0']],
    ['the loopback, alone', { advertisedHost: 'localhost' }, {}, ['localhost', 'localhost']],
  ] as const)('is %s', (_what, given, environment, [advertisedHost, host]) => {
    expect(relayHosts(given, environment, interfaces)).toEqual({ advertisedHost, host });
  });

  it('is the loopback on a machine that has nothing else', () => {
    expect(relayHosts({}, {}, { lo: interfaces.lo })).toEqual({ advertisedHost: '127.0.0.1', host: '127.0.0.1' });
  });
});

describe('waiting for Redis', () => {
  it('takes longer after each failure, up to two seconds, and not equally long everywhere', () => {
    for (const [retries, longest] of [
      [0, 50],
      [1, 100],
      [3, 400],
      [10, 2000],
      [5000, 2000],
    ] as const) {
      // prettier-ignore
      const waits = Array.from({ length: 50 }, () => waitBefore(retries));
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(longest / 2);
      expect(Math.max(...waits)).toBeLessThanOrEqual(longest);
      expect(new Set(waits).size).toBeGreaterThan(1);
    }
  });

  it('ends in time, whatever becomes of the promise', async () => {
    expect(await within(1000, Promise.resolve(5))).toBe(5);
    await expect(within(1000, Promise.reject(new Error('no')))).rejects.toThrow('no');
    let reject!: (error: Error) => void;
    const late = new Promise((_resolve, no) => (reject = no));
    await expect(within(1, late)).rejects.toThrow('no answer within 1 ms');
    reject(new Error('nobody is interested'));
  });
});
