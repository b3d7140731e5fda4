import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type Attempt, type ConnectOptions, type TriedEngine } from 'nestwire/client';
import { slowProxy, type TestProxy } from 'nestwire/testing';
import type { Socket } from 'socket.io-client';
import { nextEvent, startLive, until, type Live } from '../client/support.js';
import { startNginx, type Nginx } from '../support/nginx.js';

/*
 * A real nginx between client and server, with `proxy_buffering` on as it is by default, and a network of 20 ms in front
 * of it. What it is configured to do decides what gets through.
 */

/** Milliseconds to a working connection, and until the last transport that does not get through is passed over. */
const BOUND = 4000;

/** What everybody writes who wants WebSockets through nginx. */
const UPGRADES =
  'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;';

/**
 * Buffers, whatever we say. With HTTP/1.0 to the server, the default of Debian's nginx, it holds a body back; with 1.1 it
 * passes each chunk on as it comes, even with buffering on.
 */
const BUFFERS = 'proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering;';

let live: Live;
let nginx: Nginx | undefined;
let slow: TestProxy | undefined;
let client: Socket | undefined;

beforeEach(async () => {
  live = await startLive();
});

afterEach(async () => {
  client?.disconnect();
  client = undefined;
  await until(() => live.engine.clientsCount === 0, 'every session ended', 15_000);
  await slow?.close();
  await nginx?.stop();
  await live.close();
});

/** Connects through nginx with these directives. @returns milliseconds until an echo came back. */
async function connectThrough(directives: string, options: ConnectOptions = {}): Promise<number> {
  nginx = await startNginx(`location / { proxy_pass http://127.0.0.1:${live.port}; ${directives} }`);
  slow = await slowProxy({ target: nginx.port, latency: 10 });
  const began = performance.now();
  client = connect(slow.url, { forceNew: true, ...options });
  await nextEvent(client, 'connect');
  expect(await client.emitWithAck('echo', 'hello')).toBe('hello');
  return performance.now() - began;
}

const story = (): string[] =>
  (client!.io.engine as unknown as TriedEngine).attempts.map((tried: Attempt) => {
    return `${tried.transport} ${tried.role} ${tried.state}`;
  });

const settles = (line: string): Promise<void> => until(() => story().includes(line), `${line}, not ${story()}`, BOUND);

describe('behind nginx', () => {
  it('that passes upgrades on, a connection is a WebSocket', async () => {
    expect(await connectThrough(UPGRADES)).toBeLessThan(BOUND);
    expect(story()).toEqual(['websocket first open']);
  });

  it('as it comes, without upgrades and with buffering, a connection streams: our headers turn that off', async () => {
    expect(await connectThrough('')).toBeLessThan(BOUND);
    await settles('eventsource upgrade open');
    expect(await client!.emitWithAck('echo', 'streamed')).toBe('streamed');
    expect(client!.io.engine.transport.name).toBe('eventsource');
    expect(live.engine.clientsCount).toBe(1);
  });

  it.each(['eventsource', 'multipart'] as const)('as it comes, %s is a first transport too', async (name) => {
    expect(await connectThrough('', { transports: [name] })).toBeLessThan(BOUND);
    expect(story()).toEqual([`${name} first open`]);
  });

  it('that ignores X-Accel-Buffering, a connection falls back to polling', async () => {
    const began = performance.now();
    expect(await connectThrough(BUFFERS)).toBeLessThan(BOUND);
    await settles('eventsource upgrade failed');
    expect(performance.now() - began).toBeLessThan(BOUND);
    expect(client!.io.engine.transport.name).toBe('polling');
    expect(await client!.emitWithAck('echo', 'polled')).toBe('polled');
    expect(story()).toEqual(['websocket first failed', 'polling first open', 'eventsource upgrade failed']);
    expect(live.engine.clientsCount).toBe(1);
  });

  it('that ignores X-Accel-Buffering, a stream that is tried first is passed over for polling', async () => {
    const took = await connectThrough(BUFFERS, {
      transports: ['eventsource', 'polling'],
    });
    expect(took).toBeLessThan(BOUND);
    expect(story()).toEqual(['eventsource first failed', 'polling first open']);
  });
});
