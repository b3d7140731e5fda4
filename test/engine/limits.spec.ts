import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request as httpRequest, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { Engine, type EngineOptions, type Session } from 'nestwire/engine';

let engine: Engine;
let server: HttpServer;
let base: string;
const errors: { code: number; message: string; context: { name?: string } }[] = [];

async function start(options: EngineOptions): Promise<void> {
  server = createServer();
  engine = new Engine(options).attach(server);
  errors.length = 0;
  engine.on('connection_error', (error) => errors.push(error));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  base = `127.0.0.1:${(server.address() as AddressInfo).port}/engine.io/?EIO=4`;
}

async function handshake(
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string; retryAfter: string | null }> {
  const request = httpRequest(`http://${base}&transport=polling`, { headers, agent: false });
  request.end();
  const [response] = await once(request, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, body, retryAfter: response.headers['retry-after'] ?? null };
}

async function upgrade(headers: Record<string, string> = {}): Promise<number> {
  const client = new WebSocket(`ws://${base}&transport=websocket`, { headers });
  client.on('error', () => {});
  const status = await new Promise<number>((resolve) => {
    client.on('unexpected-response', (_request, response) => resolve(response.statusCode!));
    client.on('open', () => resolve(101));
  });
  client.terminate();
  return status;
}

afterEach(async () => {
  engine.close();
  await new Promise((resolve) => server.close(resolve));
});

describe('limits of handshakes', () => {
  it('maxSessions: 503 with Retry-After, over HTTP and WebSocket, until one leaves', async () => {
    await start({ limits: { maxSessions: 1 } });
    const connection = once(engine, 'connection');
    expect((await handshake()).status).toBe(200);
    expect(await handshake()).toEqual({
      status: 503,
      body: '{"code":100,"message":"Too many sessions"}',
      retryAfter: '1',
    });
    expect(await upgrade()).toBe(503);
    expect(errors.map(({ code, context }) => [code, context.name])).toEqual([
      [100, 'maxSessions'],
      [100, 'maxSessions'],
    ]);
    const [session] = (await connection) as [Session];
    session.close(true);
    expect((await handshake()).status).toBe(200);
  });

  it('maxSessionsPerAddress and maxHandshakesPerSecond count the address behind a trusted proxy', async () => {
    await start({ trustProxy: 1, limits: { maxSessionsPerAddress: 1, maxHandshakesPerSecond: 2 } });
    const from = (address: string) => ({ 'x-forwarded-for': address });
    expect((await handshake(from('192.0.2.1'))).status).toBe(200);
    expect((await handshake(from('192.0.2.1'))).body).toContain('"code":100');
    expect((await handshake(from('192.0.2.2'))).status).toBe(200);
    for (const session of engine.clients.values()) session.close(true);
    expect((await handshake(from('192.0.2.3'))).status).toBe(200);
    for (const session of engine.clients.values()) session.close(true);
    expect((await handshake(from('192.0.2.3'))).status).toBe(200);
    for (const session of engine.clients.values()) session.close(true);
    expect(await handshake(from('192.0.2.3'))).toMatchObject({
      status: 429,
      body: '{"code":101,"message":"Too many handshakes"}',
    });
    expect(await upgrade(from('192.0.2.3'))).toBe(429);
  });

  it('does not believe X-Forwarded-For unless it is told to', async () => {
    await start({ trustProxy: false, limits: { maxSessionsPerAddress: 1 } });
    const connection = once(engine, 'connection');
    expect((await handshake({ 'x-forwarded-for': '192.0.2.1' })).status).toBe(200);
    const [session] = (await connection) as [Session];
    expect(session.remoteAddress).toBe('127.0.0.1');
    expect((await handshake({ 'x-forwarded-for': '192.0.2.2' })).status).toBe(503);
  });

  it.each<[EngineOptions['trustProxy'], string]>([
    [true, '192.0.2.1'],
    [1, '192.0.2.2'],
    [2, '192.0.2.1'],
    ['127.0.0.1', '192.0.2.2'],
    [['loopback', '192.0.2.2'], '192.0.2.1'],
    [undefined, '127.0.0.1'],
  ])('trustProxy %j finds the address %s', async (trustProxy, address) => {
    await start({ trustProxy });
    const connection = once(engine, 'connection');
    await handshake({ 'x-forwarded-for': '192.0.2.1, 192.0.2.2' });
    expect(((await connection) as [Session])[0].remoteAddress).toBe(address);
  });

  it('maxHeaderBytes: 431', async () => {
    await start({ limits: { maxHeaderBytes: 500 } });
    expect((await handshake()).status).toBe(200);
    expect(await handshake({ 'x-long': 'x'.repeat(500) })).toMatchObject({
      status: 431,
      body: '{"code":103,"message":"Request headers too large"}',
    });
    expect(await upgrade({ 'x-long': 'x'.repeat(500) })).toBe(431);
  });

  it('refuses a session id that is in use, and an empty one', async () => {
    await start({});
    engine.generateId = () => 'always the same';
    expect((await handshake()).status).toBe(200);
    expect(await handshake()).toMatchObject({ status: 400, body: '{"code":3,"message":"Bad request"}' });
    engine.generateId = async () => '';
    expect((await handshake()).status).toBe(400);
    expect(errors.map(({ context }) => context.name)).toEqual(['ID_GENERATION_ERROR', 'ID_GENERATION_ERROR']);
  });

  it('refuses handshakes that were still being decided when the engine closed', async () => {
    let decide!: () => void;
    const asked = new Promise<void>((resolve) => {
      void start({
        allowRequest: (_request, callback) => {
          decide = () => callback(null, true);
          resolve();
        },
      }).then(() => (answer = handshake()));
    });
    let answer!: ReturnType<typeof handshake>;
    await asked;
    engine.close();
    decide();
    expect(await answer).toMatchObject({ status: 503, body: '{"code":102,"message":"Server is shutting down"}' });
  });
});

describe('limits of WebSocket messages', () => {
  it.each<[string, EngineOptions, (socket: WebSocket) => void, number]>([
    ['maxHttpBufferSize', { maxHttpBufferSize: 1000 }, (client) => client.send('4' + 'x'.repeat(1000)), 1009],
    [
      'maxFragments',
      { limits: { maxFragments: 10 } },
      (client) => {
        for (let i = 0; i < 12; i++) client.send('x', { fin: false });
      },
      1008,
    ],
  ])('%s ends the connection', async (_what, options, send, code) => {
    await start(options);
    const client = new WebSocket(`ws://${base}&transport=websocket`);
    client.on('error', () => {});
    const [session] = (await once(engine, 'connection')) as [Session];
    await once(client, 'open');
    const closed = Promise.all([once(session, 'close'), once(client, 'close')]);
    send(client);
    const [[reason], [closeCode]] = (await closed) as [[string], [number]];
    expect([reason, closeCode]).toEqual(['transport error', code]);
    expect(engine.clientsCount).toBe(0);
  });

  it('takes a message of exactly maxHttpBufferSize', async () => {
    await start({ maxHttpBufferSize: 1000 });
    const client = new WebSocket(`ws://${base}&transport=websocket`);
    const [session] = (await once(engine, 'connection')) as [Session];
    await once(client, 'open');
    const received = once(session, 'data');
    client.send('4' + 'x'.repeat(999));
    expect(((await received) as [string])[0]).toHaveLength(999);
    client.terminate();
  });
});
