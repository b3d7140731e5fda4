import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventSourceTransport, MultipartTransport } from 'nestwire/client';
import { cuttingProxy, type CuttingProxy } from 'nestwire/testing';
import { io, type Socket } from 'socket.io-client';
import type { Socket as ServerSocket } from 'socket.io';
import { nextEvent, startLive, until, type Live } from './support.js';

const CLASSES = { eventsource: EventSourceTransport, multipart: MultipartTransport };
const COUNT = 10_000;
const all = Array.from({ length: COUNT }, (_, n) => n);

let live: Live;
let proxy: CuttingProxy;
let client: Socket;
let server: ServerSocket;
let disconnects: string[];

beforeEach(async () => {
  live = await startLive();
});

afterEach(async () => {
  client.disconnect();
  await until(() => live.engine.clientsCount === 0, 'every session ended');
  await proxy.close();
  await live.close();
});

async function connectThrough(name: keyof typeof CLASSES, options: object): Promise<void> {
  proxy = await cuttingProxy({ target: live.port, ...options });
  const accepted = new Promise<ServerSocket>((resolve) => live.io.once('connection', resolve));
  disconnects = [];
  client = io(proxy.url, { transports: [CLASSES[name]] as never, forceNew: true, upgrade: false });
  client.on('disconnect', (reason) => disconnects.push(reason));
  await nextEvent(client, 'connect');
  server = await accepted;
}

/** Emits numbers in bursts, over the time that the network needs to show what it does. */
async function emitAll(socket: { emit(event: string, n: number): unknown }): Promise<void> {
  for (const n of all) {
    socket.emit('n', n);
    if (n % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe.each(Object.keys(CLASSES) as (keyof typeof CLASSES)[])('a connection by %s', (name) => {
  it.each([
    ['every long response', { responsesAfter: 400 }, 'responses'],
    ['every third POST, after the server took it', { everyPost: 3 }, 'posts'],
    ['both', { responsesAfter: 400, everyPost: 5 }, 'responses'],
  ] as const)(
    'carries 10,000 messages each way through a proxy that cuts %s',
    async (_, options, what) => {
      await connectThrough(name, options);
      const down: number[] = [];
      const up: number[] = [];
      client.on('n', (n: number) => down.push(n));
      server.on('n', (n: number) => up.push(n));
      await Promise.all([emitAll(client), emitAll(server)]);
      await until(() => up.length >= COUNT && down.length >= COUNT, 'all messages came', 30_000);
      // one more each way shows that nothing came twice behind them
      expect(await client.emitWithAck('echo', 'last')).toBe('last');
      expect(down).toEqual(all);
      expect(up).toEqual(all);
      expect(disconnects).toEqual([]);
      expect(proxy.cuts[what]).toBeGreaterThan(1);
    },
    60_000,
  );

  it('that only listens stays, and misses nothing', async () => {
    await connectThrough(name, { responsesAfter: 400 });
    const down: number[] = [];
    client.on('n', (n: number) => down.push(n));
    await emitAll(server);
    await until(() => down.length >= COUNT, 'all messages came', 30_000);
    expect(down).toEqual(all);
    expect(disconnects).toEqual([]);
    expect(proxy.cuts.responses).toBeGreaterThan(1);
  }, 60_000);
});
