import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Socket as EngineSocket, transports as stock } from 'engine.io-client';
import { EventSourceTransport, MultipartTransport } from 'nestwire/client';
import type { Session } from 'nestwire/engine';
import { io, type Socket } from 'socket.io-client';
import type { Socket as ServerSocket } from 'socket.io';
import { nextEvent, startBare, startLive, until, type Bare, type Live } from './support.js';

const CLASSES = {
  websocket: stock.websocket,
  eventsource: EventSourceTransport,
  multipart: MultipartTransport,
  polling: stock.polling,
};

const NASTY = [
  'a\rb\r\nc\n\n\nd',
  'zero\0zero',
  'separators \u2028 \u2029 \x1e\x1e \x1f',
  'lone \ud800 and \udfff surrogates',
  '</script><!--<script>',
  'data: x\n\nevent: end\ndata:\n\n',
  '--nestwire\r\n\r\n--nestwire--\r\n',
  '\ufeffbyte order mark',
  'ünïcödé 漢字 🎉',
  '',
];

let live: Live;
let bare: Bare;
let socket: Socket | undefined;

beforeAll(async () => {
  live = await startLive();
  bare = await startBare();
});

afterEach(async () => {
  socket?.disconnect();
  socket = undefined;
  await until(() => live.engine.clientsCount === 0, 'every session ended');
});

afterAll(() => Promise.all([live.close(), bare.close()]));

async function connectBy(name: keyof typeof CLASSES): Promise<[Socket, ServerSocket]> {
  const accepted = new Promise<ServerSocket>((resolve) => live.io.once('connection', resolve));
  socket = io(live.url, { transports: [CLASSES[name]] as never, forceNew: true, upgrade: false, reconnection: false });
  await nextEvent(socket, 'connect');
  return [socket, await accepted];
}

describe.each(Object.keys(CLASSES) as (keyof typeof CLASSES)[])('socket.io-client by %s', (name) => {
  it('is connected by it', async () => {
    const [client, server] = await connectBy(name);
    expect(client.io.engine.transport.name).toBe(name);
    expect(server.conn.transport.name).toBe(name);
  });

  it('gets back what it sent: text that is hard to carry, and bytes', async () => {
    const [client] = await connectBy(name);
    for (const text of NASTY) expect(await client.emitWithAck('echo', text)).toBe(text);
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
    const [back, empty] = await new Promise<Uint8Array[]>((resolve) =>
      client.emit('echo', bytes, new Uint8Array(0), (...args: Uint8Array[]) => resolve(args)),
    );
    expect([...back!]).toEqual([...bytes]);
    expect(empty).toHaveLength(0);
  });

  it('carries what an application of the engine alone sends down, byte for byte', async () => {
    // polling and WebSocket have losses of their own there, which are the protocol's
    const texts = (name === 'polling' || name === 'websocket' ? NASTY.slice(4) : NASTY).filter((text) => text !== '');
    const opened = new Promise<Session>((resolve) => bare.once('connection', resolve));
    const client = new EngineSocket(`http://127.0.0.1:${bare.port}`, { transports: [CLASSES[name]] as never });
    const got: unknown[] = [];
    client.on('message', (data) => got.push(data));
    const session = await opened;
    for (const text of texts) session.send(text);
    session.send(Buffer.from([0, 30, 255]));
    await until(() => got.length === texts.length + 1, 'all messages came');
    expect(got).toEqual([...texts, Buffer.from([0, 30, 255])]);
    const closed = new Promise((resolve) => session.once('close', resolve));
    client.close();
    expect(await closed).toBe('transport close');
  });

  it('carries 1,000 messages each way, in order', async () => {
    const [client, server] = await connectBy(name);
    const down: number[] = [];
    const up: number[] = [];
    client.on('n', (n: number) => down.push(n));
    server.on('n', (n: number) => up.push(n));
    for (let n = 0; n < 1000; n++) {
      client.emit('n', n);
      server.emit('n', n);
      if (n % 100 === 0) await new Promise(setImmediate);
    }
    await until(() => up.length >= 1000 && down.length >= 1000, 'all messages came');
    const all = Array.from({ length: 1000 }, (_, n) => n);
    expect(down).toEqual(all);
    expect(up).toEqual(all);
  });

  it('carries messages of 900 KB, text and bytes', async () => {
    const [client] = await connectBy(name);
    const text = 'ä'.repeat(450_000 - 20);
    expect((await client.emitWithAck('echo', text)) === text).toBe(true);
    // 640 KB of bytes are 854 KB of base64
    const bytes = new Uint8Array(640_000).map((_, index) => (index * 7) % 251);
    const back = (await client.emitWithAck('echo', bytes)) as Uint8Array;
    expect(Buffer.compare(Buffer.from(back), Buffer.from(bytes))).toBe(0);
  });

  it('learns that the server disconnected it', async () => {
    const [client, server] = await connectBy(name);
    const gone = nextEvent(client, 'disconnect');
    server.disconnect(true);
    expect((await gone)[0]).toBe('io server disconnect');
  });

  it('learns that the server closed its connection', async () => {
    const [client, server] = await connectBy(name);
    const gone = nextEvent(client, 'disconnect');
    server.conn.close();
    expect((await gone)[0]).toBe('transport close');
  });

  it('tells the server that it disconnects, after what it sent before', async () => {
    const [client, server] = await connectBy(name);
    // as the engine hears it: socket.io drops events that it reads in the same turn as a disconnect
    const got: unknown[] = [];
    server.conn.on('data', (data: unknown) => got.push(data));
    const closed = new Promise((resolve) => server.conn.once('close', resolve));
    client.emit('last', 'word');
    client.disconnect();
    expect(await closed).toBe('transport close');
    expect(got).toEqual(['2["last","word"]', '1']);
  });
});
