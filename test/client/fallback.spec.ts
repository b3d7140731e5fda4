import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type Attempt, type ConnectOptions, type TriedEngine } from 'nestwire/client';
import { blockingProxy, bufferingProxy, cuttingProxy, slowProxy, type TestProxy } from 'nestwire/testing';
import type { Socket } from 'socket.io-client';
import { nextEvent, startLive, until, type Live } from './support.js';

/** What the issue allows on a network of 20 ms; what follows usually takes a quarter of it. */
const BOUND = 4000;

let live: Live;
let slow: TestProxy;
let proxies: TestProxy[];
let client: Socket | undefined;

beforeEach(async () => {
  live = await startLive();
  slow = await slowProxy({ target: live.port, latency: 10 });
  proxies = [slow];
});

afterEach(async () => {
  client?.disconnect();
  client = undefined;
  // the server waits ten seconds for a stream that was passed over
  await until(() => live.engine.clientsCount === 0, 'every session ended', 15_000);
  for (const proxy of proxies.toReversed()) await proxy.close();
  await live.close();
}, 20_000);

/** Connects and waits until it works. @returns how long that took (ms). */
async function connectTo(proxy: TestProxy, options: ConnectOptions = {}): Promise<number> {
  if (!proxies.includes(proxy)) proxies.push(proxy);
  const began = performance.now();
  client = connect(proxy.url, { forceNew: true, ...options });
  await nextEvent(client, 'connect');
  expect(await client.emitWithAck('echo', 'hello')).toBe('hello');
  return performance.now() - began;
}

const current = (): string => client!.io.engine.transport.name;
const attempts = (): readonly Attempt[] => (client!.io.engine as unknown as TriedEngine).attempts;

/**
 * The attempts as `transport role state`. Polling that was opened in reserve and was not needed is left out: on a busy machine
 * a WebSocket takes longer than the time after which that is done.
 */
const story = (): string[] =>
  attempts()
    .map(({ transport, role, state }) => `${transport} ${role} ${state}`)
    .filter((line) => line !== 'polling reserve dropped');

/** Waits until nothing is left on the server of what was tried; a reserve says goodbye in a request. */
const oneSession = (): Promise<void> => until(() => live.engine.clientsCount === 1, 'one session is left');

/** Waits for the transport that the connection comes to rest on. */
const settles = (name: string): Promise<void> => until(() => current() === name, `${name} in use, after ${story()}`);

describe('a connection', () => {
  it('goes by WebSocket where it can, and tries nothing else', async () => {
    expect(await connectTo(slow)).toBeLessThan(BOUND);
    expect(story()).toEqual(['websocket first open']);
    await oneSession();
  });

  it('keeps the order it is told', async () => {
    await connectTo(slow, { transports: ['multipart', 'polling'] });
    expect(story()).toEqual(['multipart first open']);
  });

  it('is upgraded from polling, by one candidate at a time', async () => {
    await connectTo(slow, { transports: ['polling', 'websocket', 'eventsource'] });
    await settles('websocket');
    expect(story().slice(0, 2)).toEqual(['polling first open', 'websocket upgrade open']);
    expect(await client!.emitWithAck('echo', 'again')).toBe('again');
  });

  it.each(['eventsource', 'multipart'] as const)('is upgraded from polling to %s, and loses nothing', async (name) => {
    const got: number[] = [];
    live.io.on('connection', (socket) => {
      let n = 0;
      const timer = setInterval(() => socket.emit('n', n++), 1);
      socket.on('disconnect', () => clearInterval(timer));
      socket.on('stop', (ack: (n: number) => void) => {
        clearInterval(timer);
        ack(n);
      });
    });
    const connected = connectTo(slow, { transports: ['polling', name] });
    client!.on('n', (n: number) => got.push(n));
    await connected;
    await settles(name);
    const count = (await client!.emitWithAck('stop')) as number;
    await until(() => got.length >= count, 'all messages came');
    expect(got).toEqual(Array.from({ length: count }, (_, n) => n));
    await oneSession();
  });

  it.each(['eventsource', 'multipart'] as const)(
    'is upgraded from %s to WebSocket, and loses nothing',
    async (name) => {
      const got: number[] = [];
      live.io.on('connection', (socket) => {
        socket.on('n', (n: number, ack: () => void) => {
          got.push(n);
          socket.emit('n', n);
          ack();
        });
      });
      const connected = connectTo(slow, { transports: [name, 'websocket', 'polling'] });
      const back: number[] = [];
      client!.on('n', (n: number) => back.push(n));
      let last: Promise<unknown> = Promise.resolve();
      client!.once('connect', () => {
        // one timer: several would not keep their order when the event loop is late
        let n = 0;
        const timer = setInterval(() => {
          for (let i = 0; i < 5; i++) last = client!.emitWithAck('n', n++);
          if (n === 500) clearInterval(timer);
        }, 1);
      });
      await connected;
      await settles('websocket');
      await until(() => got.length === 500 && back.length === 500, 'all messages came');
      await last;
      expect(got).toEqual(Array.from({ length: 500 }, (_, n) => n));
      expect(back).toEqual(got);
      expect(story()).toContain('websocket upgrade open');
    },
  );
});

describe('through a proxy', () => {
  it('that swallows upgrades', async () => {
    const heard: string[] = [];
    const proxy = await blockingProxy({ target: slow.port });
    const took = await connectTo(proxy, { onFallback: ({ transport }) => heard.push(transport) });
    expect(took).toBeLessThan(BOUND);
    await settles('eventsource');
    expect(story()).toEqual(['websocket first failed', 'polling first open', 'eventsource upgrade open']);
    expect(attempts()[0]!.reason).toMatch(/^nothing came in \d+ ms$/);
    expect(heard).toEqual(['websocket']);
    // nothing is left of what was tried
    await oneSession();
  });

  it.each([403, 426, 502])('that answers upgrades with %d', async (answer) => {
    const took = await connectTo(await blockingProxy({ target: slow.port, answer }));
    expect(took).toBeLessThan(BOUND);
    await settles('eventsource');
    expect(story()).toEqual(['websocket first failed', 'polling first open', 'eventsource upgrade open']);
    await oneSession();
  });

  it('that cuts upgrades without an answer', async () => {
    expect(await connectTo(await blockingProxy({ target: slow.port, answer: 'reset' }))).toBeLessThan(BOUND);
    await settles('eventsource');
  });

  it.each([false, true])(
    'that refuses upgrades and holds bodies back, headers passed on: %p',
    async (passesHeaders) => {
      const took = await connectTo(await bufferingProxy({ target: slow.port, passesHeaders }));
      expect(took).toBeLessThan(BOUND);
      await until(() => story().includes('eventsource upgrade failed'), 'eventsource passed over');
      expect(current()).toBe('polling');
      expect(await client!.emitWithAck('echo', 'still')).toBe('still');
      await oneSession();
    },
  );

  it('that swallows upgrades and holds bodies back, with two streams to try', async () => {
    const buffering = await bufferingProxy({ target: slow.port });
    proxies.push(buffering);
    const proxy = await blockingProxy({ target: buffering.port });
    const took = await connectTo(proxy, { transports: ['websocket', 'eventsource', 'multipart', 'polling'] });
    expect(took).toBeLessThan(BOUND);
    await until(() => story().includes('multipart upgrade failed'), 'multipart passed over');
    expect(story()).toEqual([
      'websocket first failed',
      'polling first open',
      'eventsource upgrade failed',
      'multipart upgrade failed',
    ]);
    expect(await client!.emitWithAck('echo', 'still')).toBe('still');
    await oneSession();
  });

  it('that holds back a stream which is tried first', async () => {
    const took = await connectTo(await bufferingProxy({ target: slow.port }), {
      transports: ['eventsource', 'polling'],
    });
    expect(took).toBeLessThan(BOUND);
    expect(story()).toEqual(['eventsource first failed', 'polling first open']);
  });

  it('that swallows upgrades, where there is no polling', async () => {
    const proxy = await blockingProxy({ target: slow.port });
    expect(await connectTo(proxy, { transports: ['websocket', 'eventsource'] })).toBeLessThan(BOUND);
    expect(story()).toEqual(['websocket first failed', 'eventsource first open']);
  });

  it('that cuts a WebSocket after the handshake', async () => {
    const took = await connectTo(await cuttingProxy({ target: slow.port, upgradesAfter: 0 }));
    expect(took).toBeLessThan(BOUND);
    await settles('eventsource');
    expect(story()[0]).toBe('websocket first failed');
    await oneSession();
  });

  it('that cuts a WebSocket soon after it opened', async () => {
    const proxy = await cuttingProxy({ target: slow.port, upgradesAfter: 200 });
    const heard: Attempt[] = [];
    await connectTo(proxy, { onFallback: (attempt) => heard.push(attempt) });
    expect(current()).toBe('websocket');
    await nextEvent(client!, 'disconnect');
    await nextEvent(client!, 'connect');
    await settles('eventsource');
    expect(heard).toMatchObject([{ transport: 'websocket', reason: 'cut after it had opened' }]);
    // it was not tried again
    expect(story().filter((line) => line.startsWith('websocket'))).toEqual([]);
    expect(proxy.cuts.upgrades).toBe(1);
  });

  it('that begins to hold a stream back later', async () => {
    await live.close();
    await slow.close();
    live = await startLive({ pingInterval: 400, pingTimeout: 3000 });
    slow = await slowProxy({ target: live.port, latency: 10 });
    proxies = [slow];
    const proxy = await bufferingProxy({ target: slow.port, buffering: false });
    const heard: Attempt[] = [];
    await connectTo(proxy, { onFallback: (attempt) => heard.push(attempt), transports: ['eventsource', 'polling'] });
    expect(current()).toBe('eventsource');
    proxy.buffering = true;
    await nextEvent(client!, 'disconnect');
    await nextEvent(client!, 'connect');
    expect(current()).toBe('polling');
    expect(heard).toMatchObject([{ transport: 'eventsource', reason: 'the stream is held back' }]);
    expect(await client!.emitWithAck('echo', 'again')).toBe('again');
  });
});

describe('what was found out', () => {
  it('is remembered for the next connection', async () => {
    await connectTo(await blockingProxy({ target: slow.port }));
    await settles('eventsource');
    live.io.disconnectSockets(true);
    await nextEvent(client!, 'disconnect');
    client!.connect();
    await nextEvent(client!, 'connect');
    expect(story()).toEqual(['eventsource first open']);
  });

  it('is not what a server that was down made it look like', async () => {
    const proxy = await blockingProxy({ target: slow.port, blocks: () => isDown, answer: 503 });
    let isDown = true;
    proxies.push(proxy);
    client = connect(proxy.url, { forceNew: true, reconnectionDelay: 50 });
    await nextEvent(client, 'connect_error');
    isDown = false;
    await nextEvent(client, 'connect');
    await settles('websocket');
    expect(story()).toEqual(['websocket first open']);
  });

  it('leaves nothing on the server when the client gives up in the midst', async () => {
    const proxy = await blockingProxy({ target: slow.port });
    proxies.push(proxy);
    const opened = new Promise((resolve) => live.engine.once('connection', resolve));
    client = connect(proxy.url, { forceNew: true });
    await opened;
    // the handshake of the reserve is still on its way to the client
    client.disconnect();
    await until(() => live.engine.clientsCount === 0, 'the session of the reserve ended', 5000);
  });
});
