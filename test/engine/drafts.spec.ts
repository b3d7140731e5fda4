import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, it, jest } from '@jest/globals';
import { draftDigest, keyNumber, MAX_DRAFT_BYTES } from '../../lib/engine/websocket-draft.js';
import { sessionClosed, until, useEngines, type Harness } from '../support/wire-engine.js';
import { DraftClient, draftRequest, EXAMPLE } from '../support/wire-drafts.js';
import { ask, RawConnection } from '../support/wire-http.js';
import { WsClient } from '../support/wire-websocket.js';

const start = useEngines();

const PATH = '/engine.io/?EIO=4&transport=websocket';

function connect(target: Harness, transport = 'websocket', headers = {}, keyDelay = 0): DraftClient {
  const client = new DraftClient(`${target.url}?EIO=4&transport=${transport}`, headers, keyDelay);
  target.onTeardown(() => client.cut());
  return client;
}

function raw(target: Harness, text: string | Buffer): RawConnection {
  const connection = new RawConnection(target.port).write(text);
  target.onTeardown(() => connection.socket.destroy());
  return connection;
}

describe('keys of draft 76', () => {
  it('give the numbers and the answer that the draft has as its example', () => {
    const numbers = [keyNumber(EXAMPLE.key1), keyNumber(EXAMPLE.key2)] as const;
    expect(numbers).toEqual([155712099, 173347027]);
    expect(draftDigest(numbers, Buffer.from(EXAMPLE.key3)).toString('latin1')).toBe(EXAMPLE.answer);
  });

  it('give the answer of the second example in the draft', () => {
    const numbers = [keyNumber('4 @1  46546xW%0l 1 5'), keyNumber('12998 5 Y3 1  .P00')] as const;
    expect(numbers).toEqual([829309203, 259970620]);
    expect(draftDigest(numbers, Buffer.from('^n:ds[4U')).toString('latin1')).toBe("8jKS'y:G*Co,Wxa-");
  });

  it.each([
    ['without spaces', '12345'],
    ['without digits', 'a b c'],
    ['that is empty', ''],
    ['that its spaces do not divide', '1 0 1'],
    ['of more than 32 bits', '42949672960 '],
    ['with digits beyond counting', `${'9'.repeat(400)} `],
  ])('are refused: one %s', async (_what, key) => {
    const target = await start();
    for (const name of ['Sec-WebSocket-Key1', 'Sec-WebSocket-Key2']) {
      // Node takes spaces off the end of a header
      const connection = raw(target, draftRequest(PATH, { [name]: key.replace(/ $/, ' x') }) + EXAMPLE.key3);
      expect(await connection.ended).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*Bad request$/);
      expect(await target.errors.next()).toMatchObject({ code: 3, context: { name: 'TRANSPORT_HANDSHAKE_ERROR' } });
    }
    expect(target.engine.clientsCount).toBe(0);
  });
});

describe('a client of draft 76', () => {
  it.each(['websocket', 'flashsocket'])('talks over transport=%s', async (transport) => {
    const target = await start();
    const client = connect(target, transport);
    expect(await client.next()).toMatch(/^0\{/);
    const session = await target.sessions.next();
    expect(session.transport.name).toBe(transport);
    session.on('message', (data) => session.send(data));
    await client.send('4žluť 😀');
    expect(await client.next()).toBe('4žluť 😀');
    await client.send('bAQID');
    expect(await client.next()).toBe('bAQID');
  });

  it('gets an answer that old clients take, byte for byte', async () => {
    const target = await start();
    const request = draftRequest(PATH, { Origin: 'http://App.Example:8080', Host: 'app.example:8080' });
    const connection = raw(target, request + EXAMPLE.key3);
    await connection.until(/0\{/);
    expect(connection.text.slice(0, connection.text.indexOf('\0'))).toBe(
      'HTTP/1.1 101 WebSocket Protocol Handshake\r\n' +
        'Upgrade: WebSocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Origin: http://app.example:8080\r\n' +
        `Sec-WebSocket-Location: ws://app.example:8080${PATH}\r\n\r\n${EXAMPLE.answer}`,
    );
  });

  it.each([
    ['as long as the option says', 5_000, 5_000],
    ['262,144 bytes long, where the option says more', 1_000_000, MAX_DRAFT_BYTES],
  ])('is told that messages may be %s, and they may', async (_what, maxHttpBufferSize, maxPayload) => {
    const target = await start({ maxHttpBufferSize });
    // an ordinary client of the same transport
    const other = new WsClient(`${target.url.replace('http', 'ws')}?EIO=4&transport=websocket`);
    target.onTeardown(() => other.cut());
    expect(JSON.parse(String(await other.next()).slice(1)).maxPayload).toBe(maxHttpBufferSize);
    await target.sessions.next();
    const client = connect(target);
    expect(JSON.parse((await client.next()).slice(1)).maxPayload).toBe(maxPayload);
    const session = await target.sessions.next();
    const message = once(session, 'message');
    await client.send(`4${'x'.repeat(maxPayload - 1)}`);
    expect((await message)[0]).toHaveLength(maxPayload - 1);
    const ended = sessionClosed(session);
    await client.send(`4${'x'.repeat(maxPayload)}`);
    expect((await ended).reason).toBe('transport error');
  });

  it('of another transport is no client of the draft, whatever its headers say', async () => {
    const target = await start();
    const headers = { 'sec-websocket-key1': EXAMPLE.key1, 'sec-websocket-key2': EXAMPLE.key2 };
    const { text } = await ask(`${target.url}?EIO=4&transport=polling`, { headers });
    expect(JSON.parse(text.slice(1)).maxPayload).toBe(1_000_000);
  });

  it('whose last key comes late has had the head of the answer before', async () => {
    const target = await start();
    const connection = raw(target, draftRequest(PATH));
    await connection.until(/\r\n\r\n$/);
    expect(target.engine.clientsCount).toBe(0);
    connection.write(EXAMPLE.key3.slice(0, 3));
    await new Promise((resolve) => setTimeout(resolve, 60)); // as a proxy does
    connection.write(EXAMPLE.key3.slice(3));
    await connection.until(/0\{/);
    expect(connection.text).toContain(`\r\n\r\n${EXAMPLE.answer}\0`);
  });

  it('may send frames with its last key', async () => {
    const target = await start();
    const messages: unknown[] = [];
    target.engine.on('connection', (session) => session.on('message', (data: unknown) => messages.push(data)));
    raw(
      target,
      Buffer.concat([Buffer.from(draftRequest(PATH) + EXAMPLE.key3), Buffer.from('\x004early'), Buffer.from([0xff])]),
    );
    await until(() => messages.length === 1);
    expect(messages).toEqual(['early']);
  });

  it.each([
    ['leaves', (connection: RawConnection) => connection.socket.end()],
    ['is reset', (connection: RawConnection) => connection.reset()],
  ])('that %s before its last key leaves nothing behind', async (_how, leave) => {
    const target = await start({ limits: { maxSessions: 1 } });
    const connection = raw(target, draftRequest(PATH));
    await connection.until(/\r\n\r\n$/);
    leave(connection);
    await connection.ended;
    expect(await connect(target).next()).toMatch(/^0\{/);
    expect(target.engine.clientsCount).toBe(1);
  });

  it('that never sends its last key is cut', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
    try {
      const target = await start();
      const connection = raw(target, draftRequest(PATH));
      await connection.until(/\r\n\r\n$/);
      jest.advanceTimersByTime(10_000);
      await connection.ended;
      expect(target.engine.clientsCount).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('that comes when the last place is taken is cut, though it has its answer', async () => {
    const target = await start({ limits: { maxSessions: 1 } });
    const late = raw(target, draftRequest(PATH));
    await late.until(/\r\n\r\n$/);
    await connect(target).next();
    late.write(EXAMPLE.key3);
    await late.ended;
    expect(await target.errors.next()).toMatchObject({ code: 100 });
    expect(target.engine.clientsCount).toBe(1);
  });

  it.each([
    ['has no Origin', { Origin: undefined }],
    ['has an empty Origin', { Origin: '' }],
  ])('that %s is refused', async (_what, headers) => {
    const target = await start();
    expect(await raw(target, draftRequest(PATH, headers) + EXAMPLE.key3).ended).toMatch(/^HTTP\/1\.1 400 /);
    expect(target.engine.clientsCount).toBe(0);
  });

  it('of another origin is refused as any WebSocket is', async () => {
    const target = await start({ origins: ['https://app.example'] });
    const evil = await connect(target, 'websocket', { Origin: 'https://evil.example' }).refused;
    expect(evil.status).toBe(403);
    expect(await connect(target, 'websocket', { Origin: 'https://app.example' }).next()).toMatch(/^0\{/);
  });

  it('is refused where drafts are off, which is the default', async () => {
    const target = await start({ drafts: undefined });
    expect((await connect(target).refused).status).toBe(400);
  });

  it('of draft 75, which has no keys, is refused', async () => {
    const target = await start();
    const request = draftRequest(PATH, { 'Sec-WebSocket-Key1': undefined, 'Sec-WebSocket-Key2': undefined });
    expect(await raw(target, request).ended).toMatch(/^HTTP\/1\.1 400 /);
  });

  it.each([
    [{}, {}, 'ws'],
    [{ trustProxy: true }, { 'X-Forwarded-Proto': 'https' }, 'wss'],
    [{ trustProxy: true }, { 'X-Forwarded-Proto': 'http' }, 'ws'],
    [{ trustProxy: '192.0.2.1' }, { 'X-Forwarded-Proto': 'https' }, 'ws'],
    [{}, { 'X-Forwarded-Proto': 'https' }, 'ws'],
  ])('with %j and %j is told that it came by %s', async (options, headers, scheme) => {
    const target = await start(options);
    const client = connect(target, 'websocket', headers);
    const response = await client.opened;
    expect(response.headers['sec-websocket-location']).toMatch(new RegExp(`^${scheme}://127\\.0\\.0\\.1:\\d+/engine`));
  });
});

describe('the end of a draft connection', () => {
  it.each([
    ['a frame with a length', [0x80, 0xff, 0xff, 0xff, 0x7f]],
    ['a closing frame with a length', [0xff, 0x05]],
    ['a frame of an unknown type', [0x02, 0x34, 0xff]],
  ])('comes with %s', async (_what, bytes) => {
    const target = await start();
    const client = connect(target);
    await client.next();
    const ended = sessionClosed(await target.sessions.next());
    client.socket.write(Buffer.from(bytes));
    await client.closed;
    expect((await ended).reason).toBe('transport error');
  });

  it('comes with a message that does not end, before it takes more memory than one', async () => {
    const target = await start({ maxHttpBufferSize: 100_000_000 });
    const client = connect(target);
    await client.next();
    const session = await target.sessions.next();
    const ended = sessionClosed(session);
    client.socket.write(Buffer.concat([Buffer.from([0, 0x34]), Buffer.alloc(MAX_DRAFT_BYTES, 'x')]));
    const { reason, description } = await ended;
    expect(reason).toBe('transport error');
    expect(String(description)).toContain(`message over ${MAX_DRAFT_BYTES} bytes`);
    await client.closed;
  });

  it('is a closing frame of the server, and the client answers it', async () => {
    const target = await start();
    const connection = raw(target, draftRequest(PATH) + EXAMPLE.key3);
    await connection.until(/0\{/);
    (await target.sessions.next()).close();
    await connection.until(/\xff\xff\0$/);
    connection.write(Buffer.from([0xff, 0]));
    await connection.ended;
  });

  it('is a closing frame of the client, and the server answers it', async () => {
    const target = await start();
    const connection = raw(target, draftRequest(PATH) + EXAMPLE.key3);
    await connection.until(/0\{/);
    const ended = sessionClosed(await target.sessions.next());
    connection.write(Buffer.from([0xff, 0]));
    expect(await connection.ended).toMatch(/\xff\xff\0$/);
    expect((await ended).reason).toBe('transport close');
  });

  it('is cut by the engine when the client answers nothing', async () => {
    const target = await start();
    const client = connect(target);
    await client.next();
    client.pause();
    client.socket.removeAllListeners('data');
    target.engine.close();
    client.resume();
    await client.closed;
  });
});

describe('draftDigest', () => {
  it('is the MD5 of the three keys', () => {
    const challenge = Buffer.from('00000001ffffffff0001020304050607', 'hex');
    const expected = createHash('md5').update(challenge).digest();
    expect(draftDigest([1, 0xffffffff], Buffer.from('0001020304050607', 'hex'))).toEqual(expected);
  });
});
