import { describe, expect, it } from '@jest/globals';
import { IncomingMessage, Agent } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { until, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { ask, headOf, RawConnection, requestText, upgradeText, type Answer } from '../support/wire-http.js';
import { exchange, expectService, rowOf, told, victim } from '../support/wire-hostile.js';
import { message, pollingWithOffers, rows, streamRows, type Row } from '../support/wire-rows.js';
import { StreamClient } from '../support/wire-streams.js';
import { WsClient } from '../support/wire-websocket.js';

/*
 * Attacks, each of which docs/security.md names with its defence; test/structure/security.spec.ts sees that it does.
 * What exhausts memory, connections or time is in exhaustion.spec.ts.
 */

const start = useEngines();
const EVIL = 'https://evil.example';
const USER = { cookie: 'session=of-the-user' };
const current = rows.filter(({ protocol, name }) => protocol === 4 && !name.endsWith('b64'));
const http = current.filter(({ transport }) => transport !== 'websocket');
const polling = rowOf('polling/4');

function urlOf({ url }: { url: string }, row: Row, query = ''): string {
  return `${url}?EIO=${row.protocol}&transport=${row.transport}${row.getQuery(url)}${query}`;
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

describe.each(rows)('a page of another site over $name', (row) => {
  it('opens no session with the cookies of a user', async () => {
    const target = await start();
    const { status } = await row.refused(target, { headers: { origin: EVIL, ...USER } });
    expect(status).toBe(403);
    expect(await target.errors.next()).toMatchObject({
      code: 4,
      context: { name: 'ORIGIN_NOT_ALLOWED', origin: EVIL },
    });
    expect(target.engine.clientsCount).toBe(0);
  });

  it('opens none at all once origins are listed', async () => {
    const target = await start({ origins: 'https://app.example' });
    expect((await row.refused(target, { headers: { origin: EVIL } })).status).toBe(403);
    expect((await row.refused(target, { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(403);
    await row.open(target, { headers: { origin: 'https://app.example', ...USER } });
    expect(target.engine.clientsCount).toBe(1);
  });

  it('opens none by an image, a script or a link, which have no Origin', async () => {
    const target = await start({ cors: { origin: '*' } });
    for (const site of ['cross-site', 'same-site']) {
      expect((await row.refused(target, { headers: { 'sec-fetch-site': site, ...USER } })).status).toBe(403);
    }
    expect(target.engine.clientsCount).toBe(0);
  });
});

describe.each(http)('a page of another site that knows the id of a session over $name', (row) => {
  it('can use it neither by GET, nor by POST, nor by an upgrade, with the cookies of a user', async () => {
    const target = await start();
    const client = await row.open(target, { paused: true });
    const url = urlOf(target, row, `&sid=${client.sid}`);
    const headers = { origin: EVIL, ...USER };
    expect(told(await ask(url, { headers }))).toBe('403 Forbidden');
    expect(told(await ask(`${url}${row.postQuery}`, { headers, method: 'POST', body: '4x' }))).toBe('403 Forbidden');
    const candidate = new WsClient(url.replace('http', 'ws').replace(row.transport, 'websocket'), { headers });
    expect((await candidate.refused).status).toBe(403);
    // and the session does not notice
    await client.send(message('still here'));
    expect(target.engine.clientsCount).toBe(1);
  });
});

describe('CORS headers', () => {
  it('are not sent unless asked for, and never for an origin that is not named', async () => {
    const named = { origin: 'https://app.example', credentials: true };
    for (const cors of [undefined, named, { ...named, origin: [/^https:\/\/app\.example$/] }]) {
      const target = await start({ cors });
      for (const row of http) {
        const { headers } = await headOf(urlOf(target, row), { headers: { origin: EVIL } });
        expect([undefined, 'https://app.example']).toContain(headers['access-control-allow-origin']);
        expect(cors === undefined || String(headers['vary']).includes('Origin')).toBe(true);
      }
    }
  });

  it.each<[string, unknown]>([
    ['throws', () => { throw new Error('bad origin'); }], // prettier-ignore
    ['rejects', async () => { throw new Error('database down'); }], // prettier-ignore
  ])('by a function that %s are refused, and the process lives', async (_how, origin) => {
    const target = await start({ cors: { origin } });
    expect(told(await ask(urlOf(target, polling)))).toBe('400 Bad request');
    expect(await exchange(target, upgradeText('/engine.io/?EIO=4&transport=websocket'))).toBe('400 Bad request');
    expect((await ask(urlOf(target, polling), { headers: { origin: EVIL, ...USER } })).status).toBe(400);
  });
});

describe('every answer', () => {
  const forbidden = { origin: EVIL, ...USER };

  it.each<[string, (target: Harness, url: string) => Promise<Pick<Answer, 'status' | 'headers'>>, number]>([
    ['to a handshake', (target) => ask(urlOf(target, polling)), 200],
    ['to a handshake of eventsource', (target) => headOf(urlOf(target, rowOf('eventsource/4'))), 200],
    ['to a handshake of multipart', (target) => headOf(urlOf(target, rowOf('multipart/4'))), 200],
    ['to a POST', (_target, url) => ask(url, { method: 'POST', body: '4x' }), 200],
    ['to a POST that cannot be read', (_target, url) => ask(url, { method: 'POST', body: 'x' }), 400],
    ['to a POST that is too large', (_target, url) => ask(url, { method: 'POST', body: `4${'x'.repeat(1e6)}` }), 413],
    ['to another method', (_target, url) => ask(url, { method: 'PUT' }), 405],
    ['to an unknown transport', (target) => ask(`${target.url}?EIO=4&transport=x`), 400],
    ['to an unknown id', (target) => ask(urlOf(target, polling, '&sid=x')), 400],
    ['to a page of another site', (target) => ask(urlOf(target, polling), { headers: forbidden }), 403],
    ['to a plain request for a WebSocket session', plainToWebSocket, 400],
    ['to a refused upgrade', (target) => refusedUpgrade(target), 400],
  ])('%s is kept by nobody, and taken for nothing else', async (_what, act, status) => {
    const target = await start();
    const client = await polling.open(target, { paused: true });
    const answer = await act(target, urlOf(target, polling, `&sid=${client.sid}`));
    expect(answer.status).toBe(status);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['cache-control']).toContain('no-store');
  });

  it('with the payload of others is no document: not in a frame, not by its parts, not as an image', async () => {
    const target = await start();
    const multipart = await headOf(urlOf(target, rowOf('multipart/4')));
    expect(multipart.headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'.*sandbox/);
    for (const { headers } of [multipart, await headOf(urlOf(target, rowOf('eventsource/4')))]) {
      expect(headers['cross-origin-resource-policy']).toBe('same-origin');
    }
    const types = [multipart.headers, (await ask(urlOf(target, polling))).headers].map((one) => one['content-type']);
    expect(types.join()).not.toContain('html');
  });

  async function plainToWebSocket(target: Harness): Promise<Answer> {
    const { sid } = await rowOf('websocket/4').open(target);
    return ask(urlOf(target, rowOf('websocket/4'), `&sid=${sid}`));
  }

  async function refusedUpgrade(target: Harness): Promise<Pick<Answer, 'status' | 'headers'>> {
    const connection = new RawConnection(target.port).write(upgradeText('/engine.io/?EIO=4&transport=x'));
    const [head = ''] = (await connection.ended).split('\r\n\r\n');
    const [line = '', ...lines] = head.split('\r\n');
    const pairs = lines.map((one) => one.split(': ') as [string, string]);
    const headers = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
    expect(headers['content-type']).not.toContain('html');
    return { status: Number(line.split(' ')[1]), headers };
  }
});

describe('what clients are told of a failure', () => {
  const SECRET = 'postgres://user:password@db';
  const fail = () => {
    throw new Error(SECRET);
  };

  it.each<[string, Record<string, unknown>, (target: Harness) => void]>([
    ['allowRequest throws', { allowRequest: fail }, () => {}],
    ['allowRequest rejects', { allowRequest: async () => fail() }, () => {}],
    ['a middleware throws', {}, (target) => target.engine.use(fail)],
    ['generateId throws', {}, (target) => void (target.engine.generateId = fail)],
    ['origins throws', { origins: fail }, () => {}],
    ['cors.origin throws', { cors: { origin: fail } }, () => {}],
  ])('when %s is nothing of it; the application hears of it', async (_what, options, prepare) => {
    const target = await start(options);
    prepare(target);
    const headers: Record<string, string> = options['origins'] ? { origin: EVIL } : {};
    const answer = await ask(urlOf(target, polling), { headers });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    const raw = new RawConnection(target.port).write(upgradeText('/engine.io/?EIO=4&transport=websocket', headers));
    const text = await raw.ended;
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer.text + JSON.stringify(answer.headers) + text).not.toContain('password');
    const { context } = await target.errors.next();
    if (!options['origins']) expect(String(context['error'])).toContain(SECRET);
  });
});

describe('log lines', () => {
  it('show what a client sent in quotes, without control characters, and not at length', async () => {
    const lines: string[] = [];
    const target = await start({ logger: (line: string) => lines.push(line) });
    const origin = `https://\x9b2J\x85forged\xff.example/${'x'.repeat(5_000)}`;
    const request = requestText('GET', '/engine.io/?EIO=4&transport=polling', { origin, ...USER, host: 'a\xad' });
    const connection = new RawConnection(target.port);
    connection.socket.end(Buffer.from(request, 'latin1'));
    expect(await connection.ended).toContain('403');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[\x20-\x7e]*$/);
    expect(lines[0]).toContain('"https://\\u009b2J\\u0085forged\\u00ff.example/xxx');
    expect(lines[0]).toContain('"a\\u00ad"');
    expect(lines[0]!.length).toBeLessThan(700);
  });

  it('never show the id of a session', async () => {
    const lines: string[] = [];
    const options = {
      logger: (line: string) => lines.push(line),
      maxHttpBufferSize: 1000,
      limits: { maxBufferedBytes: 1000 },
    };
    const target = await start(options);
    const ids: string[] = [];
    for (const row of current) {
      const client = await row.open(target, { paused: true });
      const session = await target.sessions.next();
      ids.push(client.sid);
      await client.send(message('x'.repeat(2_000))).catch(() => {});
      for (let i = 0; i < 5; i++) session.send('x'.repeat(2_000));
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(ids.filter((id) => lines.join().includes(id))).toEqual([]);
  });
});

describe('the id of a session', () => {
  it('is 120 bits of randomness, and one is not told by another', async () => {
    const target = await start();
    const ids = await Promise.all(
      Array.from({ length: 200 }, async () => (await polling.open(target, { paused: true })).sid),
    );
    for (const id of ids) expect(id).toMatch(/^[\w-]{20}$/);
    expect(new Set(ids).size).toBe(200);
    // no place where two ids agree more often than chance has it: a counter or a clock would
    const agreeing = Array.from({ length: 20 }, (_, at) => new Set(ids.map((id) => id[at])).size);
    for (const letters of agreeing) expect(letters).toBeGreaterThan(30);
  });

  it('is made by the server alone: one that a client brings opens nothing', async () => {
    const target = await start({ cookie: true });
    const fixed = 'A'.repeat(20);
    for (const row of http) expect(told(await ask(urlOf(target, row, `&sid=${fixed}`)))).toBe('400 Session ID unknown');
    // nor does the cookie, which is for balancers
    const answer = await ask(urlOf(target, polling), { headers: { cookie: `io=${fixed}` } });
    expect(told(answer)).toBe('handshake');
    expect(answer.text).not.toContain(fixed);
    const { sid } = JSON.parse(answer.text.slice(1));
    expect(String(answer.headers['set-cookie'])).toMatch(new RegExp(`^io=${sid}; Path=/; HttpOnly; SameSite=Lax$`));
    const other = await ask(urlOf(target, polling), { headers: { cookie: `io=${sid}` } });
    expect(other.text).not.toContain(sid);
  });

  it('is all that it takes to use the session: whoever knows it replaces a stream, from any address and origin', async () => {
    const target = await start();
    const client = await rowOf('eventsource/4').open(target);
    const session = await target.sessions.next();
    const url = urlOf(target, rowOf('eventsource/4'), `&sid=${client.sid}&ack=1`);
    const thief = new RawConnection(target.port).write(requestText('GET', pathOf(url), { origin: EVIL }));
    await thief.until(/event: seq/);
    session.send('secret');
    // the owner is not shut out: its client sees its stream end, and asks again
    expect(await client.receive()).toEqual(message('secret'));
    expect(session.readyState).toBe('open');
    thief.socket.destroy();
  });

  it('is worth nothing once the session has ended', async () => {
    const target = await start();
    for (const row of current) {
      const { sid } = await row.open(target, { paused: true });
      const session = await target.sessions.next();
      session.close(true);
      for (const method of ['GET', 'POST']) {
        const answer = await ask(urlOf(target, row, `&sid=${sid}`), {
          method,
          body: method === 'POST' ? '4x' : undefined,
        });
        expect(told(answer)).toBe('400 Session ID unknown');
      }
    }
  });
});

describe('the connection of an upgrade', () => {
  /** An upgrade request on a connection that is nobody's but the test's. */
  function upgrade(target: Harness, query: string): PassThrough {
    const socket = new PassThrough();
    const request = new IncomingMessage(new Socket());
    const key = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
    Object.assign(request.headers, { upgrade: 'websocket', connection: 'upgrade', host: 'h', ...key });
    Object.assign(request, { method: 'GET', url: `/engine.io/?${query}` });
    target.engine.handleUpgrade(request, socket, Buffer.alloc(0));
    return socket;
  }

  it.each<[string, string, Record<string, unknown>, (target: Harness) => void]>([
    ['that is refused', 'EIO=4&transport=x', {}, () => {}],
    ['while allowRequest is pending', 'EIO=4&transport=websocket', { allowRequest: () => {} }, () => {}],
    ['while origins are judged', 'EIO=4&transport=websocket', { origins: () => new Promise(() => {}) }, () => {}],
    ['while a middleware is pending', 'EIO=4&transport=websocket', {}, (target) => target.engine.use(() => {})],
    ['that is accepted', 'EIO=4&transport=websocket', {}, () => {}],
    ['for a session that is not there', 'EIO=4&transport=websocket&sid=x', {}, () => {}],
  ])('may fail at once and later: %s', async (_when, query, options, prepare) => {
    const target = await start(options);
    prepare(target);
    // without a listener each of these would throw, and end a process
    const early = upgrade(target, query);
    early.emit('error', new Error('ECONNRESET'));
    const late = upgrade(target, query);
    await new Promise(setImmediate);
    late.emit('error', new Error('ECONNRESET'));
    early.destroy();
    late.destroy();
    await until(() => target.engine.clientsCount === 0);
  });

  it('that is refused carries no second request', async () => {
    const target = await start();
    const smuggled = requestText('GET', '/engine.io/?EIO=4&transport=polling');
    for (const query of ['EIO=4&transport=x', 'EIO=4&transport=polling', 'EIO=4&transport=websocket&sid=x']) {
      const connection = new RawConnection(target.port).write(
        upgradeText(`/engine.io/?${query}`) + smuggled + smuggled,
      );
      const text = await connection.ended;
      expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      expect(text).toMatch(/^HTTP\/1\.1 400 .*\r\nConnection: close/);
    }
    expect(target.engine.clientsCount).toBe(0);
  });
});

describe('candidates of an upgrade', () => {
  it('by the hundred, one after the other, cost a session nothing and leave nobody behind', async () => {
    const { target, session, client } = await victim(start, polling, { upgradeTimeout: 60_000 });
    const opened: WsClient[] = [];
    for (let i = 0; i < 150; i++) {
      const candidate = polls(target, client.sid);
      opened.push(candidate);
      await candidate.opened;
      await candidate.send(i % 2 ? '2probe' : 'x');
      if (i % 2) {
        await candidate.next();
        candidate.cut();
      }
      await until(() => !session.upgrading);
    }
    await Promise.all(opened.map(({ closed }) => closed));
    await client.send(message('still polling'));
    expect(session.transport.name).toBe('polling');
    await expectNoConnections(target);
  });

  it('by the hundred, at once: one is heard, the others are closed', async () => {
    const { target, session, client } = await victim(start, polling);
    const all = Array.from({ length: 100 }, () => polls(target, client.sid));
    const closed = Promise.all(all.map((one) => one.closed.then(() => one)));
    await Promise.all(all.map(({ opened }) => opened));
    await until(() => all.filter(({ ws }) => ws.readyState === ws.OPEN).length <= 1);
    expect(session.upgrading).toBe(true);
    const heard = all.find(({ ws }) => ws.readyState === ws.OPEN)!;
    await heard.send('2probe');
    expect(await heard.next()).toBe('3probe');
    heard.cut();
    await closed;
    await client.send(message('still polling'));
    expect(session.upgrading).toBe(false);
  });

  it('that never complete are given up after upgradeTimeout, on every transport', async () => {
    const { target, session, client } = await victim(start, pollingWithOffers, { upgradeTimeout: 50 });
    for (const row of [rowOf('websocket/4'), ...streamRows.slice(0, 2)]) {
      const candidate = row.candidate(target, client.sid);
      await candidate.opened;
      expect(session.upgrading).toBe(true);
      await candidate.closed;
      await until(() => !session.upgrading);
    }
    await client.send(message('still polling'));
  });

  it('that stream may be asked for again and again: there is one response', async () => {
    const { target, session, client } = await victim(start, pollingWithOffers);
    for (const transport of ['eventsource', 'multipart']) {
      for (const query of ['', '&resume=1']) {
        const url = urlOf(target, polling, `&sid=${client.sid}`).replace('polling', transport);
        const gets: RawConnection[] = [];
        for (let i = 0; i < 30; i++) {
          const get = new RawConnection(target.port).write(requestText('GET', pathOf(url + query)));
          gets.push(get);
          await get.until(/\r\n\r\n/);
        }
        const open = () =>
          gets.filter(({ text }) => text.startsWith('HTTP/1.1 200') && !text.endsWith('\r\n0\r\n\r\n'));
        await until(() => open().length <= 1);
        for (const { socket } of gets) socket.destroy();
        await ask(`${url}${query}&seq=1`, { method: 'POST', body: 'x' }).catch(() => {});
        await until(() => !session.upgrading);
      }
    }
    await client.send(message('still polling'));
  });

  function polls(target: Harness, sid: string): WsClient {
    const client = new WsClient(urlOf(target, rowOf('websocket/4'), `&sid=${sid}`).replace('http', 'ws'));
    target.onTeardown(() => client.cut());
    return client;
  }

  async function expectNoConnections(target: Harness): Promise<void> {
    const count = () =>
      new Promise<number>((resolve) => target.server.getConnections((_error, connections) => resolve(connections)));
    let connections = await count();
    while (connections > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      connections = await count();
    }
  }
});

describe('a session', () => {
  const changes: [string, string, boolean][] = [
    ['polling', 'websocket', true],
    ['polling', 'eventsource', true],
    ['polling', 'multipart', true],
    ['eventsource', 'websocket', true],
    ['multipart', 'websocket', true],
    ['eventsource', 'multipart', false],
    ['multipart', 'eventsource', false],
    ['eventsource', 'polling', false],
    ['multipart', 'polling', false],
    ['websocket', 'polling', false],
    ['websocket', 'eventsource', false],
    ['websocket', 'multipart', false],
  ];

  it.each(changes)('goes from %s to %s: %p', async (from, to, isPossible) => {
    const target = await start();
    const row = from === 'polling' ? pollingWithOffers : rowOf(`${from}/4`);
    const client = await row.open(target);
    const session = await target.sessions.next();
    expect(client.handshake.upgrades.includes(to)).toBe(isPossible);
    if (isPossible) {
      const candidate = rowOf(`${to}/4`).candidate(target, client.sid);
      await candidate.opened;
      await candidate.send('2probe');
      expect(await candidate.next()).toBe('3probe');
      await client.pause();
      await candidate.send('5');
      await until(() => session.upgraded);
      expect(session.transport.name).toBe(to);
      session.send('carried on');
      expect(await candidate.next()).toBe('4carried on');
      return;
    }
    const answer = await ask(urlOf(target, row, `&sid=${client.sid}`).replace(`=${from}`, `=${to}`));
    expect(told(answer)).toBe('400 Bad request');
    expect(session.upgrading).toBe(false);
    expect(session.transport.name).toBe(from);
  });
});

describe.each(current)('the limits over $name', (row) => {
  it('maxSessions, maxSessionsPerAddress and maxHandshakesPerSecond refuse a newcomer', async () => {
    for (const [limits, status] of [
      [{ maxSessions: 1 }, 503],
      [{ maxSessionsPerAddress: 1 }, 503],
      [{ maxHandshakesPerSecond: 1 }, 429],
    ] as const) {
      const target = await start({ limits, trustProxy: false });
      await row.open(target);
      const { status: refused } = await row.refused(target);
      expect(refused).toBe(status);
      expect(target.engine.clientsCount).toBe(1);
    }
  });

  it('maxHeaderBytes refuses a request', async () => {
    const target = await start({ limits: { maxHeaderBytes: 1_000 } });
    expect((await row.refused(target, { headers: { 'x-long': 'x'.repeat(1_000) } })).status).toBe(431);
    await row.open(target);
  });

  it('maxHttpBufferSize refuses a message', async () => {
    const { client, session, target } = await victim(start, row, { maxHttpBufferSize: 1_000 }, false);
    const received: unknown[] = [];
    session.on('message', (data) => received.push(data));
    // a form has a name for its field
    await client.send(message('x'.repeat(1_000 - row.wireSize(message('')))));
    await until(() => received.length === 1);
    await client.send(message('x'.repeat(1_000))).catch((answer: Answer) => expect(answer.status).toBe(413));
    if (row.transport === 'websocket') await until(() => target.engine.clientsCount === 0);
    expect(received).toHaveLength(1);
  });

  it('maxBufferedBytes ends the session of a client that does not read', async () => {
    const { session, target } = await victim(start, row, { limits: { maxBufferedBytes: 2_000_000 } });
    const ended = new Promise((resolve) => session.once('close', (reason, error) => resolve([reason, String(error)])));
    const chunk = 'x'.repeat(100_000);
    let sent = 0;
    for (; session.readyState === 'open' && sent < 1_000; sent++) {
      session.send(chunk);
      await new Promise(setImmediate);
    }
    expect(await ended).toEqual(['transport error', expect.stringContaining('slow reader')]);
    // 2 MB, and what the kernel took
    expect(sent).toBeLessThan(200);
    expect(target.engine.clientsCount).toBe(0);
  });

  if (!row.answersPerExchange) return;

  it('maxPendingUpstreamBytes refuses a body', async () => {
    const target = await start({ limits: { maxPendingUpstreamBytes: 10_000 } });
    const [one, other] = [await row.open(target, { paused: true }), await row.open(target, { paused: true })];
    const path = pathOf(urlOf(target, row, `&sid=${one.sid}${row.postQuery}`));
    const slow = new RawConnection(target.port);
    target.onTeardown(() => slow.socket.destroy());
    slow.write(requestText('POST', path, { 'content-length': '9000' }, `4${'x'.repeat(8_000)}`));
    const receiving = await new Promise<IncomingMessage>((resolve) => target.server.once('request', resolve));
    await until(() => receiving.socket.bytesRead > 8_000);
    await expect(other.send(message('x'.repeat(5_000)))).rejects.toMatchObject({ status: 503 });
    slow.write('x'.repeat(999));
    await slow.until(/ok$/);
    await other.send(message('x'.repeat(5_000)));
  });
});

describe('limits of WebSocket messages', () => {
  it('maxBufferedChunks ends a connection that sends one message in too many pieces', async () => {
    const target = await start({ limits: { maxBufferedChunks: 50 } });
    const client = await rowOf('websocket/4').open(target);
    const session = await target.sessions.next();
    const ended = new Promise((resolve) => session.once('close', resolve));
    const raw = (client as unknown as { client: { ws: { _socket: Socket } } }).client.ws._socket;
    raw.setNoDelay(true);
    // announces 60,000 bytes, and brings them one by one
    raw.write(Buffer.from([0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0]));
    const stop = setInterval(() => raw.write('x'), 1);
    target.onTeardown(() => clearInterval(stop));
    expect(await ended).toBe('transport error');
    expect(await client.closed).toMatchObject({ code: 1008 });
    clearInterval(stop);
  });

  it('compression is not negotiated unless it is on', async () => {
    for (const perMessageDeflate of [undefined, true]) {
      const target = await start({ perMessageDeflate });
      const url = urlOf(target, rowOf('websocket/4')).replace('http', 'ws');
      const client = new WsClient(url, { perMessageDeflate: true });
      await client.opened;
      expect(client.ws.extensions).toBe(perMessageDeflate ? 'permessage-deflate' : '');
      client.cut();
    }
  });
});

describe.each(streamRows.slice(0, 2))('a stream of $name', (row) => {
  it('carries what could break a frame byte for byte, live and after a cut', async () => {
    const target = await start();
    const agent = new Agent({ keepAlive: true });
    const client = new StreamClient({
      url: urlOf(target, row),
      transport: row.option as never,
      resume: true,
      agent,
    });
    target.onTeardown(() => {
      client.cut();
      agent.destroy();
    });
    const session = await target.sessions.next();
    await client.next();
    const hard = [
      'a\r\nb\rc\nd\n\n',
      'a\0b',
      'a\x1eb\x1e',
      '\u2028\u2029\x85',
      'lone \ud83d and \udc00\ud83d',
      '\ufeffx',
      '</script><!--<script>',
      '\r\n--nestwire\r\nContent-Length: 3\r\n\r\n4x\r\n--nestwire--\r\n',
      'data: 4forged\n\nevent: end\ndata:\n\nevent: seq\ndata: 1\n\n',
      ':\n\nretry: 1\nid: 1\n',
      'b64=',
    ];
    const binary = Buffer.from(Array.from({ length: 512 }, (_, i) => i & 255));
    const sendAll = () => {
      for (const text of hard) session.send(text);
      session.send(binary);
    };
    const takeAll = async () => {
      const taken: unknown[] = [];
      while (taken.length <= hard.length) {
        const packet = await client.next();
        taken.push(typeof packet === 'string' && packet[0] === 'b' ? Buffer.from(packet.slice(1), 'base64') : packet);
      }
      return taken;
    };
    const expected = [...hard.map((text) => `4${text}`), binary];
    sendAll();
    expect(await takeAll()).toEqual(expected);
    target.server.closeAllConnections();
    sendAll();
    expect(await takeAll()).toEqual(expected);
    expect(client.cuts).toBe(1);
    await expectService(target);
  });
});

describe('two sessions', () => {
  it('never get what was meant for the other, whatever their clients do', async () => {
    const target = await start();
    const pairs: { client: Awaited<ReturnType<Row['open']>>; session: SessionLike }[] = [];
    for (const row of current) {
      for (let i = 0; i < 2; i++) {
        const client = await row.open(target);
        pairs.push({ client, session: await target.sessions.next() });
      }
    }
    for (const { session } of pairs) for (let i = 0; i < 20; i++) session.send(`${session.id} ${i}`);
    for (const { client } of pairs) {
      for (let i = 0; i < 20; i++) expect(await client.receive()).toEqual(message(`${client.sid} ${i}`));
    }
  });
});
