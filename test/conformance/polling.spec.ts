import { describe, expect, it } from '@jest/globals';
import { gunzipSync, inflateSync } from 'node:zlib';
import { ask, type Ask } from '../support/wire-http.js';
import { event, sessionClosed, until, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { message, rows } from '../support/wire-rows.js';

const start = useEngines();

/** Literal requests and answers: what the protocol documents show. */
interface Session {
  target: Harness;
  session: SessionLike;
  get(options?: Ask): ReturnType<typeof ask>;
  post(body: string | Buffer, headers?: Record<string, string>): ReturnType<typeof ask>;
}

async function open(eio: 3 | 4, options = {}, query = ''): Promise<Session> {
  const target = await start(options);
  const row = rows.find(({ transport, protocol }) => transport === 'polling' && protocol === eio)!;
  const { sid } = await row.open(target, { paused: true, query });
  const url = `${target.url}?EIO=${eio}&transport=polling&sid=${sid}${query && `&${query}`}`;
  return {
    target,
    session: await target.sessions.next(),
    get: (more) => ask(url, more),
    post: (body, headers = { 'content-type': 'text/plain;charset=UTF-8' }) =>
      ask(url, { method: 'POST', body, headers }),
  };
}

function echo(session: SessionLike): void {
  session.on('message', (data: unknown) => session.send(data));
}

describe('long polling, revision 4', () => {
  it('answers a handshake as text with its length', async () => {
    const target = await start();
    const answer = await ask(`${target.url}?EIO=4&transport=polling`);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=UTF-8',
      'content-length': String(answer.body.length),
      'cache-control': 'no-store',
    });
    expect(answer.text).toMatch(/^0\{.*\}$/);
  });

  it.each(['4hello', '4test1\x1e4test2\x1e4test3', '4hello\x1ebAQIDBA==', '4čaj €'])(
    'echoes the payload %j',
    async (payload) => {
      const { session, get, post } = await open(4);
      echo(session);
      const posted = await post(payload);
      expect(posted).toMatchObject({
        status: 200,
        text: 'ok',
        headers: { 'content-type': 'text/html', 'content-length': '2' },
      });
      expect((await get()).text).toBe(payload);
    },
  );

  it('parks a GET until there is something to say', async () => {
    const { session, get } = await open(4);
    const poll = get();
    await until(() => session.transport.writable);
    session.send('now');
    expect((await poll).text).toBe('4now');
  });

  it('parks a GET until the ping', async () => {
    const { get, post } = await open(4, { pingInterval: 60 });
    for (let round = 0; round < 3; round++) {
      expect((await get()).text).toBe('2');
      expect((await post('3')).text).toBe('ok');
    }
  });

  it('answers the parked GET with a noop when the client says goodbye', async () => {
    const { target, session, get, post } = await open(4);
    const poll = get();
    await until(() => session.transport.writable);
    const ended = sessionClosed(session);
    expect((await post('1')).text).toBe('ok');
    expect((await poll).text).toBe('6');
    expect((await ended).reason).toBe('transport close');
    expect((await get()).status).toBe(400);
    expect(target.engine.clientsCount).toBe(0);
  });

  it('takes messages that come before the goodbye in one body', async () => {
    const { session, post } = await open(4);
    const received: unknown[] = [];
    session.on('message', (data) => received.push(data));
    await post('4a\x1e4b\x1e1\x1e4c');
    await until(() => session.readyState === 'closed');
    expect(received).toEqual(['a', 'b']);
  });

  it('closes the session on a second GET: the first gets the close packet, the second 400', async () => {
    const { target, session, get } = await open(4);
    const first = get();
    await until(() => session.transport.writable);
    const ended = sessionClosed(session);
    const second = await get();
    expect(second.status).toBe(400);
    expect((await first).text).toBe('1');
    expect(await ended).toMatchObject({
      reason: 'transport error',
      description: expect.objectContaining({ message: 'overlap from client' }),
    });
    expect((await get()).status).toBe(400);
    expect(target.engine.clientsCount).toBe(0);
  });

  it('closes the session when a parked GET is cut', async () => {
    const { target, session, get } = await open(4);
    const cut = new AbortController();
    const poll = get({ signal: cut.signal });
    await until(() => session.transport.writable);
    const ended = sessionClosed(session);
    cut.abort();
    await expect(poll).rejects.toThrow();
    expect(await ended).toMatchObject({
      reason: 'transport error',
      description: expect.objectContaining({ message: 'poll connection closed prematurely' }),
    });
    expect(target.engine.clientsCount).toBe(0);
  });

  it('answers the parked GET with the close packet when the server closes', async () => {
    const { session, get } = await open(4);
    const poll = get();
    await until(() => session.transport.writable);
    session.close();
    expect((await poll).text).toBe('1');
  });

  it('appends the close packet to the last messages', async () => {
    const { session, get } = await open(4);
    session.send('last words');
    session.close();
    const answers = [(await get()).text];
    if (!answers[0]!.includes('\x1e')) answers.push((await get()).text);
    const packets = answers.join('\x1e').split('\x1e');
    expect(packets.filter((packet) => packet !== '6')).toEqual(['4last words', '1']);
  });
});

describe('long polling, revision 3', () => {
  it('answers a handshake with a length before it', async () => {
    const target = await start();
    const { text } = await ask(`${target.url}?EIO=3&transport=polling&b64=1`);
    const [, length, packet] = /^(\d+):(0\{.*\})$/.exec(text)!;
    expect(Number(length)).toBe(packet!.length);
  });

  it.each(['6:4hello', '6:4test16:4test26:4test3', '6:4hello10:b4AQIDBA==', '5:4čaj ', '3:4🚀'])(
    'echoes the payload %j',
    async (payload) => {
      const { session, get, post } = await open(3, {}, 'b64=1');
      echo(session);
      expect((await post(payload)).text).toBe('ok');
      const answer = await get();
      expect(answer.headers['content-type']).toBe('text/plain; charset=UTF-8');
      expect(answer.text).toBe(payload);
    },
  );

  it('answers binary as bytes when the client can take them', async () => {
    const { session, get, post } = await open(3);
    echo(session);
    await post('6:4hello10:b4AQIDBA==');
    const answer = await get();
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect([...answer.body]).toEqual([0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4]);
  });

  it('takes binary as bytes', async () => {
    const { session, post } = await open(3);
    const received: unknown[] = [];
    session.on('message', (data) => received.push(data));
    const body = Buffer.from([0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4]);
    expect((await post(body, { 'content-type': 'application/octet-stream' })).text).toBe('ok');
    expect(received).toEqual(['hello', Buffer.from([1, 2, 3, 4])]);
  });

  it('counts UTF-8 bytes in a payload of bytes', async () => {
    const { session, get } = await open(3);
    session.send('€').send(Buffer.from([7]));
    expect([...(await get()).body]).toEqual([0, 4, 255, 52, 0xe2, 0x82, 0xac, 1, 2, 255, 4, 7]);
  });

  it('answers the parked GET with a noop when the client says goodbye', async () => {
    const { session, get, post } = await open(3);
    const poll = get();
    await until(() => session.transport.writable);
    await post('1:1');
    expect((await poll).text).toBe('1:6');
  });

  it('answers a ping with a pong', async () => {
    const { get, post } = await open(3);
    await post('1:2');
    expect((await get()).text).toBe('1:3');
  });

  it('closes the session on a second GET', async () => {
    const { session, get } = await open(3);
    const first = get();
    await until(() => session.transport.writable);
    expect((await get()).status).toBe(400);
    expect((await first).text).toBe('1:1');
  });
});

describe('compression of long polling', () => {
  const large = 'compress me '.repeat(500);
  const gzip = { headers: { 'accept-encoding': 'gzip, deflate' } };

  it('is used for a large answer when the client accepts it', async () => {
    const { session, get } = await open(4);
    session.send(large);
    const answer = await get(gzip);
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(answer.body).toString()).toBe(`4${large}`);
    // and the next answers come as usual
    session.send('small');
    expect((await get(gzip)).text).toBe('4small');
  });

  it('takes deflate', async () => {
    const { session, get } = await open(4);
    session.send(large);
    const answer = await get({ headers: { 'accept-encoding': 'deflate' } });
    expect(answer.headers['content-encoding']).toBe('deflate');
    expect(inflateSync(answer.body).toString()).toBe(`4${large}`);
  });

  it.each([
    ['the client does not accept it', {}, large, {}, {}],
    ['the client accepts only what we do not have', {}, large, { headers: { 'accept-encoding': 'zstd' } }, {}],
    ['the answer is under the threshold', {}, 'x'.repeat(1_000), gzip, {}],
    ['it is off', { httpCompression: false }, large, gzip, {}],
    ['the sender does not want it', {}, large, gzip, { compress: false }],
  ])('is not used when %s', async (_why, options, text, request, sendOptions) => {
    const { session, get } = await open(4, options);
    session.send(text, sendOptions);
    const answer = await get(request);
    expect(answer.headers).not.toHaveProperty('content-encoding');
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    expect(answer.text).toBe(`4${text}`);
  });

  it('has a threshold that can be set', async () => {
    const { session, get } = await open(4, { httpCompression: { threshold: 10 } });
    session.send('x'.repeat(50));
    const answer = await get(gzip);
    expect(gunzipSync(answer.body).toString()).toBe(`4${'x'.repeat(50)}`);
  });

  it('calls back and drains as without it', async () => {
    const { session, get } = await open(4);
    let called = 0;
    session.send(large, {}, () => called++);
    await get(gzip);
    await until(() => called === 1);
    const poll = get(gzip);
    await until(() => session.transport.writable);
    const beat = event(session, 'drain');
    session.send('again');
    await beat;
    expect((await poll).text).toBe('4again');
  });
});

it('one client can have many sessions', async () => {
  const target = await start();
  const clients = await Promise.all(rows.flatMap((row) => [row.open(target), row.open(target)]));
  await Promise.all(clients.map((client) => client.send(message('x'))));
  expect(target.engine.clientsCount).toBe(clients.length);
});
