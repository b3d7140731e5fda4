import { describe, expect, it } from '@jest/globals';
import { ask } from '../support/wire-http.js';
import { ours, relayed, useEngines, type EngineLike, type SessionLike } from '../support/wire-engine.js';
import { message, rows } from '../support/wire-rows.js';

const start = useEngines();

describe.each(rows)('handshake over $name', (row) => {
  it('opens with a packet that holds the session id, the offers, the heartbeat and the payload limit', async () => {
    const target = await start({ pingInterval: 12_000, pingTimeout: 7_000, maxHttpBufferSize: 5_000 });
    const client = await row.open(target);
    expect(client.handshake).toEqual({
      sid: expect.stringMatching(/^[\w-]{20,}$/),
      upgrades: row.upgrades,
      pingInterval: 12_000,
      pingTimeout: 7_000,
      maxPayload: 5_000,
    });
  });

  it('uses the documented defaults', async () => {
    const target = await start();
    const { handshake } = await row.open(target);
    const maxPayload = Math.min(1_000_000, row.mostBytes ?? Infinity);
    expect(handshake).toMatchObject({ pingInterval: 25_000, pingTimeout: 20_000, maxPayload });
  });

  it('presents the session to the application', async () => {
    const target = await start();
    const client = await row.open(target, {
      query: 'token=a%20b&empty',
      headers: { 'x-forwarded-for': '203.0.113.9' },
    });
    const session = await target.sessions.next();
    expect(session).toMatchObject({
      id: client.sid,
      protocol: row.protocol,
      readyState: 'open',
      upgraded: false,
      upgrading: false,
      remoteAddress: '127.0.0.1',
    });
    expect(session.transport.name).toBe(row.transport);
    expect(session.request.headers['x-forwarded-for']).toBe('203.0.113.9');
    expect(session.request._query).toMatchObject({ transport: row.transport, EIO: String(row.protocol), token: 'a b' });
    expect(target.engine.clientsCount).toBe(1);
  });

  it('gives every session an id of its own', async () => {
    const target = await start();
    const clients = await Promise.all(Array.from({ length: 20 }, () => row.open(target)));
    expect(new Set(clients.map((client) => client.sid)).size).toBe(20);
    expect(target.engine.clientsCount).toBe(20);
  });

  it('delivers the initial packet right after the open packet', async () => {
    const target = await start({ initialPacket: 'welcome' });
    const client = await row.open(target);
    expect(await client.receive()).toEqual(message('welcome'));
  });

  it('delivers a binary initial packet', async () => {
    const target = await start({ initialPacket: Buffer.from([0, 255, 7]) });
    const client = await row.open(target, { paused: true });
    client.resume();
    expect(await client.receive()).toEqual(message(Buffer.from([0, 255, 7])));
  });

  it('lets the application send before the client knows that it is connected', async () => {
    const target = await start();
    target.engine.on('connection', (session: SessionLike) => session.send('first').send('second'));
    const client = await row.open(target);
    expect(await client.receive()).toEqual(message('first'));
    expect(await client.receive()).toEqual(message('second'));
  });

  it('offers no upgrade when upgrades are off', async () => {
    const target = await start({ allowUpgrades: false });
    expect((await row.open(target)).handshake.upgrades).toEqual([]);
  });

  it('offers no upgrade to a transport that is not enabled', async () => {
    const target = await start({ transports: [row.option] });
    expect((await row.open(target)).handshake.upgrades).toEqual([]);
  });

  it.each([
    ['no transport', 'transport='],
    ['an unknown transport', 'transport=pigeon'],
    ['a property name as the transport', 'transport=__proto__'],
    ['a transport name in other letters', `transport=${row.transport.toUpperCase()}`],
  ])('refuses %s', async (_what, query) => {
    const target = await start();
    const refusal = await row.refused(target, { query });
    expect(refusal).toMatchObject({ status: row.refusalStatus(0), message: 'Transport unknown' });
    const error = await target.errors.next();
    expect(error).toMatchObject({ code: 0, message: 'Transport unknown' });
    expect(error.req.url).toContain('/engine.io/');
    expect(target.engine.clientsCount).toBe(0);
  });

  it('refuses a transport that is not enabled', async () => {
    const target = await start({
      transports: rows.map(({ option }) => option).filter((name) => name !== row.option),
    });
    // an upgrade may be answered as an ordinary request, for without "websocket" nobody need listen to upgrades
    const refusal = await row.refused(target);
    expect(refusal).toMatchObject({ status: 400, message: expect.stringContaining('Transport unknown') });
    expect(target.engine.clientsCount).toBe(0);
  });

  it('refuses an unknown session id', async () => {
    const target = await start();
    const refusal = await row.refused(target, { query: 'sid=AAAAAAAAAAAAAAAAAAAA' });
    expect(refusal).toMatchObject({ status: row.refusalStatus(1), message: 'Session ID unknown' });
    expect(await target.errors.next()).toMatchObject({ code: 1, context: { sid: 'AAAAAAAAAAAAAAAAAAAA' } });
  });

  it('refuses a request of another protocol revision for a known session', async () => {
    const target = await start();
    const { sid } = await row.open(target, { paused: true });
    const session = await target.sessions.next();
    const refusal = await row.refused(target, { query: `sid=${sid}&EIO=${row.protocol === 4 ? 3 : 4}` });
    expect(refusal).toMatchObject({ status: 400, message: 'Bad request' });
    expect(await target.errors.next()).toMatchObject({ code: 3, context: { name: 'PROTOCOL_MISMATCH' } });
    expect(session.readyState).toBe('open');
  });

  it('refuses what allowRequest refuses, with its message', async () => {
    const target = await start({
      allowRequest: (_req: unknown, done: (message: string, ok: boolean) => void) => done('members only', false),
    });
    const refusal = await row.refused(target);
    expect(refusal).toMatchObject({ status: row.refusalStatus(4), message: 'members only' });
    expect(await target.errors.next()).toMatchObject({ code: 4, context: { message: 'members only' } });
    expect(target.engine.clientsCount).toBe(0);
  });

  it('waits for an asynchronous allowRequest, which sees the handshake only', async () => {
    let calls = 0;
    const target = await start({
      allowRequest: (_req: unknown, done: (message: null, ok: boolean) => void) => {
        calls++;
        setImmediate(done, null, true);
      },
    });
    const client = await row.open(target);
    await client.send(message('hi'));
    expect(calls).toBe(1);
  });

  if (ours) {
    // stock lets the error end the process
    it.each([
      ['throws', fail],
      ['rejects', () => Promise.reject(new Error('no database'))],
    ])('refuses when allowRequest %s', async (_how, allowRequest) => {
      const target = await start({ allowRequest });
      expect(await row.refused(target)).toMatchObject({ status: row.refusalStatus(4), message: 'Forbidden' });
      expect(await target.errors.next()).toMatchObject({ code: 4, context: { name: 'ALLOW_REQUEST_ERROR' } });
      expect(target.engine.clientsCount).toBe(0);
    });
  }

  // among several nodes the name of the node and its signature come first
  const named = (id: string): RegExp => new RegExp(`^${relayed ? '[\\w-]{24}' : ''}${id}$`);

  it('takes session ids from generateId, synchronous or not', async () => {
    const target = await start();
    target.engine.generateId = (req) => `sync-${req.headers['x-user']}`;
    expect((await row.open(target, { headers: { 'x-user': 'ann' } })).sid).toMatch(named('sync-ann'));
    target.engine.generateId = (req) => Promise.resolve(`async-${req.headers['x-user']}`);
    const client = await row.open(target, { headers: { 'x-user': 'bob' } });
    expect(client.sid).toMatch(named('async-bob'));
    await client.send(message('hello'));
    expect(target.engine.clientsCount).toBe(2);
  });

  it.each([
    ['throws', fail],
    ['rejects', () => Promise.reject(new Error('no ids left'))],
  ])('refuses when generateId %s', async (_how, generateId) => {
    const target = await start();
    target.engine.generateId = generateId as EngineLike['generateId'];
    const outcome = await row.refused(target).catch(() => undefined);
    // stock accepts a WebSocket before it asks for an id, so its client sees a broken frame
    if (ours || row.answersPerExchange) expect(outcome).toMatchObject({ status: 400, message: 'Bad request' });
    expect(await target.errors.next()).toMatchObject({ code: 3, context: { name: 'ID_GENERATION_ERROR' } });
    expect(target.engine.clientsCount).toBe(0);
  });
});

function fail(): never {
  throw new Error('no ids left');
}

describe.each(rows.filter((row) => row.protocol === 3))('protocol revision over $name', (row) => {
  it('is refused unless allowEIO3 is set', async () => {
    const target = await start({ allowEIO3: false });
    const outcome = await row.refused(target).catch(() => undefined);
    // stock accepts a WebSocket before it looks at the revision, so its client sees a broken frame
    if (ours || row.answersPerExchange) {
      expect(outcome).toMatchObject({ status: 400, message: 'Unsupported protocol version' });
    }
    expect(await target.errors.next()).toMatchObject({ code: 5, context: { protocol: 3 } });
    expect(target.engine.clientsCount).toBe(0);
  });

  it.each(['EIO=', 'EIO=abc', 'EIO=5', 'EIO=__proto__'])('is 3 when the client says %s', async (query) => {
    const refusing = await start({ allowEIO3: false });
    await row.refused(refusing, { query }).catch(() => undefined);
    expect(await refusing.errors.next()).toMatchObject({ code: 5 });
    const target = await start();
    await row.open(target, { query });
    expect((await target.sessions.next()).protocol).toBe(3);
  });
});

describe('handshake method', () => {
  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'])('refuses %s', async (method) => {
    const target = await start();
    const answer = await ask(`${target.url}?EIO=4&transport=polling`, {
      method,
      body: method === 'POST' ? 'x' : undefined,
    });
    expect(answer.status).toBe(400);
    if (method !== 'HEAD') expect(JSON.parse(answer.text)).toEqual({ code: 2, message: 'Bad handshake method' });
    expect(await target.errors.next()).toMatchObject({ code: 2, context: { method } });
    expect(target.engine.clientsCount).toBe(0);
  });

  it('refuses a websocket handshake without an upgrade', async () => {
    const target = await start();
    const answer = await ask(`${target.url}?EIO=4&transport=websocket`);
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.text)).toEqual({ code: 3, message: 'Bad request' });
    expect(await target.errors.next()).toMatchObject({ code: 3, context: { name: 'TRANSPORT_HANDSHAKE_ERROR' } });
  });

  it('refuses an upgrade to polling', async () => {
    const target = await start();
    const [websocket] = rows.filter((row) => row.transport === 'websocket');
    const refusal = await websocket!.refused(target, { query: 'transport=polling' }).catch((error: Error) => error);
    // stock accepts the WebSocket and closes it at once; we refuse the upgrade
    if (ours) expect(refusal).toMatchObject({ status: 400, message: 'Bad request' });
    expect(target.engine.clientsCount).toBe(0);
  });
});
