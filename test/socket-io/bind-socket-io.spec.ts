/** A socket.io server on our engine: what binding alone would not give it. */
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import { createConnection, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Engine } from 'nestwire/engine';
import type { Server } from 'socket.io';
import { WebSocket } from 'ws';
import { io as connectTo, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { closeSocketIoServer, createSocketIoServer } from '../../lib/socket-io/bind-socket-io.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  // oxlint-disable-next-line no-await-in-loop
  while (cleanups.length > 0) await cleanups.pop()!();
});

const httpServerOf = (io: Server): HttpServer => (io as unknown as { httpServer: HttpServer }).httpServer;

async function urlOf(http: HttpServer): Promise<string> {
  if (!http.listening) await once(http, 'listening');
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

/** An HTTP server with an application, and socket.io on it. */
async function serve(options = {}): Promise<{ io: Server; http: HttpServer; url: string }> {
  const http = createServer((_request, response) => void response.end('the app'));
  const io = createSocketIoServer(http, options);
  cleanups.push(() => io.close());
  http.listen(0, '127.0.0.1');
  return { io, http, url: await urlOf(http) };
}

async function connect(url: string, options: Partial<ManagerOptions & SocketOptions> = {}): Promise<Socket> {
  const socket = connectTo(url, { forceNew: true, reconnection: false, ...options });
  cleanups.push(() => socket.disconnect());
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return socket;
}

describe('a socket.io server on our engine', () => {
  it('has the engine and the HTTP server where users look for them', async () => {
    const { io, http, url } = await serve({ pingInterval: 1234 });
    expect(io.engine).toBeInstanceOf(Engine);
    expect(io.engine.opts).toMatchObject({ pingInterval: 1234, pingTimeout: 20_000 });
    expect(httpServerOf(io)).toBe(http);
    expect(io.path()).toBe('/socket.io');
    await connect(url);
    expect(io.engine.clientsCount).toBe(1);
  });

  it('hands its options on to socket.io', async () => {
    const { io, url } = await serve({ connectTimeout: 20_000, cleanupEmptyChildNamespaces: true });
    expect(io.connectTimeout()).toBe(20_000);
    const served = new Promise<string>((resolve) =>
      io.of(/^\/room-\d+$/).on('connection', ({ nsp }) => resolve(nsp.name)),
    );
    const room = await connect(`${url}/room-1`);
    expect(await served).toBe('/room-1');
    room.disconnect();
    await new Promise<void>((resolve) => {
      const look = (): unknown => (io._nsps.has('/room-1') ? setImmediate(look) : resolve());
      look();
    });
  });

  it('leaves the options of the caller as they were', () => {
    const options = Object.freeze({ connectionStateRecovery: Object.freeze({ skipMiddlewares: true }) });
    const http = createServer();
    const io = createSocketIoServer(http, options);
    cleanups.push(() => io.close());
    expect(options).toEqual({ connectionStateRecovery: { skipMiddlewares: true } });
  });

  it('serves any path, with or without a slash at its end', async () => {
    for (const path of ['/live', '/live/', '/a/b']) {
      /* oxlint-disable no-await-in-loop */
      const { io, url } = await serve({ path });
      expect(io.path()).toBe(path.replace(/\/$/, ''));
      expect((await connect(url, { path })).connected).toBe(true);
      expect(await (await fetch(url)).text()).toBe('the app');
      /* oxlint-enable no-await-in-loop */
    }
  });

  it('has a port of its own when it gets a number, where everything else is 404', async () => {
    const io = createSocketIoServer(0);
    cleanups.push(() => io.close());
    const url = await urlOf(httpServerOf(io));
    expect((await connect(url)).connected).toBe(true);
    expect((await fetch(url)).status).toBe(404);
  });

  it('runs middlewares for recovered clients, whatever the options say', async () => {
    const { io, url } = await serve({
      connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: true },
    });
    let banned = false;
    const asked: boolean[] = [];
    io.use((_socket, next) => {
      asked.push(banned);
      next(banned ? new Error('banned') : undefined);
    });
    const socket = connectTo(url, { forceNew: true, reconnectionDelay: 1, reconnectionDelayMax: 1 });
    cleanups.push(() => socket.disconnect());
    io.on('connection', (client) => client.emit('offset', 1));
    await new Promise<void>((resolve) => socket.once('offset', () => resolve()));
    const recovered = new Promise<boolean>((resolve) => socket.once('connect', () => resolve(socket.recovered)));
    socket.io.engine.close();
    expect(await recovered).toBe(true);
    expect(asked).toEqual([false, false]);
    banned = true;
    const refused = new Promise<Error>((resolve) => socket.once('connect_error', resolve));
    socket.io.engine.close();
    expect((await refused).message).toBe('banned');
  });

  it('ends a client that announces more attachments than it may bring, or packets that are none', async () => {
    const { io, url } = await serve();
    for (const packet of [
      '51000-["x",{"_placeholder":true,"num":0}]',
      '51-["x"',
      '4{',
      '59-["x"]',
      '2"x"',
      '2["error","x"]',
    ]) {
      const client = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
      const closed = once(client, 'close');
      await once(client, 'open');
      client.send('40');
      client.send(`4${packet}`);
      // what may come is waited for, and bounded: a second packet in its place ends it as well
      client.send('42["y"]');
      client.send('4x');
      await closed;
    }
    expect(io.engine.clientsCount).toBe(0);
  });

  it('gives the HTTP server back when it closes', async () => {
    const http = createServer();
    const app = (): void => {};
    http.on('request', app);
    http.on('upgrade', app);
    const listeners = (): object => Object.fromEntries(http.eventNames().map((name) => [name, http.listeners(name)]));
    const before = listeners();
    const io = createSocketIoServer(http);
    expect(http.listeners('request')).not.toEqual([app]);
    await closeSocketIoServer(io);
    expect(listeners()).toEqual(before);
  });

  it('shares an HTTP server with another on another path', async () => {
    const { io, http, url } = await serve({ path: '/one' });
    const other = createSocketIoServer(http, { path: '/two' });
    io.on('connection', (client) => client.on('who', (answer) => answer('one')));
    other.on('connection', (client) => client.on('who', (answer) => answer('two')));
    for (const name of ['one', 'two']) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await (await connect(url, { path: `/${name}` })).emitWithAck('who')).toBe(name);
    }
    await closeSocketIoServer(other, { keepHttpServer: true });
    expect(http.listening).toBe(true);
    expect(await (await fetch(`${url}/two/?EIO=4&transport=polling`)).text()).toBe('the app');
    expect((await connect(url, { path: '/one' })).connected).toBe(true);
  });
});

describe('closing', () => {
  it('ends clients on every transport and kept-alive connections, and then the HTTP server', async () => {
    const { io, http, url } = await serve();
    const sockets = [
      await connect(url, { transports: ['websocket'] }),
      await connect(url, { transports: ['polling'] }),
    ];
    const reasons = sockets.map((socket) => new Promise((resolve) => socket.once('disconnect', resolve)));
    const idle = createConnection((http.address() as AddressInfo).port, '127.0.0.1');
    const idleEnded = once(idle, 'close');
    idle.write('GET /app HTTP/1.1\r\nHost: x\r\n\r\n');
    idle.resume();
    await once(http, 'request');
    const start = performance.now();
    await closeSocketIoServer(io);
    await idleEnded;
    expect(http.listening).toBe(false);
    expect(await Promise.all(reasons)).toEqual(['transport close', 'transport close']);
    // a kept-alive connection alone would hold it for five seconds
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('can leave the HTTP server to its owner', async () => {
    const { io, http, url } = await serve();
    const socket = await connect(url);
    const gone = new Promise((resolve) => socket.once('disconnect', resolve));
    await closeSocketIoServer(io, { keepHttpServer: true });
    await gone;
    expect(await (await fetch(url)).text()).toBe('the app');
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  });
});
