import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket as TcpSocket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { transports as stock } from 'engine.io-client';
import { FlashSocketTransport } from 'nestwire/client';
import type { Socket as ServerSocket } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { nextEvent, startLive, until, type Live } from '../support.js';
import { FakePage } from './support.js';

const teardown: (() => unknown)[] = [];
let page: FakePage;

beforeEach(() => {
  page = new FakePage();
  page.install();
});

afterEach(async () => {
  for (const undo of teardown.splice(0).toReversed()) await undo();
  page.remove();
});

async function start(options = {}): Promise<Live> {
  const live = await startLive({ transports: ['flashsocket', 'polling'], ...options });
  teardown.push(() => live.close());
  return live;
}

function dial(url: string, options = {}): Socket {
  const socket = io(url, {
    transports: [FlashSocketTransport] as never,
    reconnection: false,
    forceNew: true,
    ...options,
  });
  teardown.push(() => socket.close());
  return socket;
}

async function join(live: Live, options = {}): Promise<{ client: Socket; server: ServerSocket }> {
  const accepted = once(live.io, 'connection') as Promise<[ServerSocket]>;
  const client = dial(live.url, options);
  await nextEvent(client, 'connect');
  return { client, server: (await accepted)[0] };
}

/** Why a client cannot connect. */
async function refusal(client: Socket): Promise<{ message: string; description?: { message?: string } }> {
  const [error] = await once(client as never, 'connect_error');
  return error;
}

/** A server of bytes. */
async function startTcp(talk: (socket: TcpSocket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {}); // the client cuts it
    talk(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  teardown.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('FlashSocketTransport', () => {
  it('carries text and binary data', async () => {
    const { client, server } = await join(await start());
    expect(client.io.engine.transport.name).toBe('flashsocket');
    expect(server.conn.transport.name).toBe('flashsocket');
    expect(await client.emitWithAck('echo', 'čaj \0 😀')).toBe('čaj \0 😀');
    const bytes = Buffer.from(await client.emitWithAck('echo', Uint8Array.of(0, 255, 7)));
    expect([...bytes]).toEqual([0, 255, 7]);
    const blob = Buffer.from(await client.emitWithAck('echo', new Uint8Array([1, 2]).buffer));
    expect([...blob]).toEqual([1, 2]);
  });

  it('sends binary data as text when it has to', async () => {
    const { client } = await join(await start(), { forceBase64: true });
    expect([...Buffer.from(await client.emitWithAck('echo', Uint8Array.of(1, 2, 3)))]).toEqual([1, 2, 3]);
  });

  it('keeps order, and gives the movie large messages in slices', async () => {
    const { client, server } = await join(await start());
    const got: number[] = [];
    server.on('n', (n: number) => got.push(n));
    for (let n = 0; n < 200; n++) client.emit('n', n);
    const large = 'x'.repeat(300_000);
    expect(await client.emitWithAck('echo', large)).toBe(large);
    expect(got).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(Math.max(...page.sent)).toBeLessThanOrEqual(12_288);
  });

  it('loads the movie of the server, or the one that it is told', async () => {
    const live = await start();
    await join(live);
    await join(live, { transportOptions: { flashsocket: { swf: 'http://page.example/pipe.swf' } } });
    expect(page.loaded).toEqual([`${live.url}/socket.io/nestwire.swf`, 'http://page.example/pipe.swf']);
  });

  it('tells the server where the page is from, and what the application adds', async () => {
    const { server } = await join(await start(), { extraHeaders: { 'x-token': 'secret' } });
    expect(server.handshake.headers).toMatchObject({ origin: 'http://page.example', 'x-token': 'secret' });
  });

  it('is upgraded to', async () => {
    const live = await start();
    const transports = [stock.polling, FlashSocketTransport] as never;
    const { client, server } = await join(live, { transports, query: { resume: '1' } });
    await until(() => server.conn.transport.name === 'flashsocket', 'the upgrade');
    expect(await client.emitWithAck('echo', 'over the new way')).toBe('over the new way');
    expect(client.io.engine.transport.name).toBe('flashsocket');
  });

  it('ends with the client, and leaves no movie behind', async () => {
    const { client, server } = await join(await start());
    const left = once(server, 'disconnect');
    client.close();
    expect((await left)[0]).toBe('client namespace disconnect');
    await until(() => page.present === 0, 'the movie is gone');
  });

  it('ends with the server', async () => {
    const { client, server } = await join(await start());
    const ended = nextEvent(client, 'disconnect');
    server.disconnect(true);
    expect((await ended)[0]).toBe('io server disconnect');
    await until(() => page.present === 0, 'the movie is gone');
  });

  it('ends when its connection is cut', async () => {
    const { client } = await join(await start());
    const ended = nextEvent(client, 'disconnect');
    page.sockets[0]!.destroy();
    expect((await ended)[0]).toBe('transport close');
  });

  it('ends, and says why, when more waits for a page that sleeps than the movie keeps', async () => {
    page.maxWaiting = 100_000;
    const { client, server } = await join(await start());
    const ended = nextEvent(client, 'disconnect');
    const left = once(server, 'disconnect');
    page.isAsleep = true;
    for (let n = 0; n < 3; n++) server.emit('flood', 'x'.repeat(60_000));
    // nobody waits for the page
    expect((await left)[0]).toMatch(/^transport (close|error)$/);
    page.isAsleep = false;
    const [reason, details] = await ended;
    expect(reason).toBe('transport close');
    expect(details).toMatchObject({ description: 'the page has left 100000 bytes waiting' });
  });

  it.each([true, false])('says goodbye when its page goes (kept by the browser: %s)', async (persisted) => {
    const { client, server } = await join(await start());
    const left = once(server, 'disconnect');
    page.hide(persisted);
    expect((await left)[0]).toBe('transport close');
    expect(client.connected).toBe(!persisted);
    // there is no page any more that could wait for its heartbeat
    (client.io.engine.transport as unknown as { onClose(): void }).onClose();
  });

  it.each([
    ['no player', () => (page.remove(), page.install({ hasPlayer: false })), 'there is no Flash player'],
    ['no page', () => page.remove(), 'there is no page'],
    ['a movie that cannot be loaded', () => (page.instead = 'fails to load'), 'cannot be loaded: Error: 404'],
    ['a movie that may not connect', () => (page.instead = 'fails to connect'), 'Error #2031'],
    ['a movie that is gone', () => (page.instead = 'throws'), 'the movie is gone'],
  ])('fails by itself where there is %s', async (_what, arrange, problem) => {
    const live = await start();
    arrange();
    expect((await refusal(dial(live.url))).description?.message ?? '').toContain(problem);
    expect(page.present).toBe(0);
  });

  it('fails when the movie never runs', async () => {
    const live = await start();
    page.instead = 'nothing';
    const client = dial(live.url, { transportOptions: { flashsocket: { openTimeout: 50 } } });
    expect((await refusal(client)).message).toBe('open timeout');
    expect(page.present).toBe(0);
  });

  it('knows no TLS, and says so', async () => {
    expect((await refusal(dial('https://127.0.0.1:1'))).description?.message).toBe('a Flash socket knows no TLS');
  });

  it('is refused as any other', async () => {
    const live = await start({ origins: ['http://other.example'] });
    expect((await refusal(dial(live.url))).description?.message).toBe('the answer is 403');
  });

  it('takes nobody for a WebSocket server who is none', async () => {
    const url = await startTcp((socket) => socket.end('+OK POP3 ready\r\n\r\n'));
    expect((await refusal(dial(url))).description?.message).toBe('the answer is no HTTP');
  });
});
