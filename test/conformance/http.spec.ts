import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { ask, headOf, type Answer } from '../support/wire-http.js';
import { ours, until, useEngines, type Middleware } from '../support/wire-engine.js';
import { message, rows } from '../support/wire-rows.js';

const start = useEngines();
type Headers = Record<string, string | string[]>;

describe.each(rows)('headers over $name', (row) => {
  it('can be added by the initial_headers and headers events', async () => {
    const target = await start();
    const seen: string[] = [];
    target.engine.on('initial_headers', (headers: Headers, req: IncomingMessage) => {
      seen.push(`initial_headers ${req.method}`);
      headers['x-initial'] = 'yes';
      headers['set-cookie'] = 'mine=1; Path=/';
    });
    target.engine.on('headers', (headers: Headers, req: IncomingMessage) => {
      seen.push(`headers ${req.method}`);
      headers['x-every'] = 'yes';
    });
    const client = await row.open(target, { paused: true });
    expect(client.headers).toMatchObject({ 'x-initial': 'yes', 'x-every': 'yes', 'set-cookie': ['mine=1; Path=/'] });
    expect(seen).toEqual(['initial_headers GET', 'headers GET']);
    await client.send(message('up'));
    expect(seen).toEqual(['initial_headers GET', 'headers GET', ...(row.answersPerExchange ? ['headers POST'] : [])]);
  });

  if (ours) {
    // stock throws where nobody can catch it
    it('that are illegal are left out', async () => {
      const target = await start();
      target.engine.on('headers', (headers: Headers, req: IncomingMessage & { _query: Record<string, string> }) => {
        headers['x-echo'] = req._query['echo'] ?? '';
        headers['x bad name'] = 'x';
        headers['x-list'] = ['fine', 'not\nfine'];
        headers['x-good'] = 'stays';
      });
      const client = await row.open(target, { query: 'echo=a%0d%0aset-cookie:+stolen=1', paused: true });
      expect(client.headers).toMatchObject({ 'x-good': 'stays' });
      for (const name of ['x-echo', 'set-cookie', 'x bad name', 'x-list'])
        expect(client.headers).not.toHaveProperty(name);
      await client.send(message('x'));
    });
  }

  it('set by a middleware reach the client', async () => {
    const target = await start();
    target.engine.use((_req, res, next) => {
      res.setHeader('x-one', 'first');
      res.setHeader('x-gone', 'soon');
      next();
    });
    target.engine.use((_req, res, next) => {
      expect(res.getHeader('x-one')).toBe('first');
      res.removeHeader('x-gone');
      res.setHeader('x-two', 'second');
      next();
    });
    const client = await row.open(target);
    expect(client.headers).toMatchObject({ 'x-one': 'first', 'x-two': 'second' });
    expect(client.headers).not.toHaveProperty('x-gone');
    await client.send(message('works'));
  });

  it('follow the cors option', async () => {
    const target = await start({ cors: { origin: 'https://app.example', credentials: true } });
    const client = await row.open(target, { headers: { origin: 'https://app.example' } });
    expect(client.headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-credentials': 'true',
      vary: expect.stringContaining('Origin'),
    });
  });
});

describe.each(rows)('middleware over $name', (row) => {
  it('runs in order, before the handshake is judged, and may wait', async () => {
    const target = await start({
      allowRequest: (_req: unknown, done: (error: null, ok: boolean) => void) => {
        ran.push('allowRequest');
        done(null, true);
      },
    });
    const ran: string[] = [];
    target.engine.use((_req, _res, next) => {
      ran.push('first');
      setImmediate(next);
    });
    target.engine.use(async (_req, _res, next) => {
      await Promise.resolve();
      ran.push('second');
      next();
    });
    await row.open(target, { paused: true });
    expect(ran).toEqual(['first', 'second', 'allowRequest']);
  });

  const failing: [string, Middleware][] = [
    ['passes an error on', (_req, _res, next) => next(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'rejects later',
      async () => {
        await new Promise(setImmediate);
        throw new Error('no');
      },
    ],
  ];

  it.each(failing)('that %s refuses the request', async (_how, middleware) => {
    const target = await start();
    target.engine.use(middleware);
    const reached: string[] = [];
    target.engine.use(() => void reached.push('the next one'));
    expect(await row.refused(target)).toMatchObject({ status: row.refusalStatus(3), message: 'Bad request' });
    expect(await target.errors.next()).toMatchObject({ code: 3, context: { name: 'MIDDLEWARE_FAILURE' } });
    expect(reached).toEqual([]);
    expect(target.engine.clientsCount).toBe(0);
  });

  it('that calls next twice is not run on twice', async () => {
    const target = await start();
    let reached = 0;
    target.engine.use((_req, _res, next) => {
      next();
      next();
      next(new Error('ignored'));
    });
    target.engine.use((_req, _res, next) => {
      reached++;
      next();
    });
    await row.open(target, { paused: true });
    expect(reached).toBe(1);
    expect(target.engine.clientsCount).toBe(1);
  });

  it('may end the request itself', async () => {
    const target = await start();
    target.engine.use((_req, res) => {
      res.writeHead(503, { 'content-type': 'text/plain' });
      res.end('later');
    });
    await expect(row.open(target)).rejects.toThrow();
    expect(target.engine.clientsCount).toBe(0);
    expect(target.errors.size).toBe(0);
  });

  it('hears when the response is over', async () => {
    const target = await start();
    const heard: string[] = [];
    target.engine.use((_req, res, next) => {
      res.once('close', () => heard.push('close'));
      next();
    });
    const client = await row.open(target, { paused: true });
    client.drop();
    await until(() => heard.includes('close'));
  });
});

describe.each(rows.filter((row) => row.answersPerExchange))('HTTP answers over $name', (row) => {
  const origin = 'https://app.example';
  const cors = { origin, credentials: true };

  function urlOf(url: string, sid?: string): string {
    return `${url}?EIO=${row.protocol}&transport=${row.transport}${sid ? `&sid=${sid}` : ''}${row.getQuery(url)}`;
  }

  it('have CORS headers on the preflight', async () => {
    const target = await start({ cors: { ...cors, methods: ['GET', 'POST'], maxAge: 600 } });
    const answer = await ask(urlOf(target.url), {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-token' },
    });
    expect(answer.status).toBe(204);
    expect(answer.body).toHaveLength(0);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET,POST',
      'access-control-allow-headers': 'x-token',
      'access-control-max-age': '600',
    });
    expect(target.errors.size).toBe(0);
  });

  it('have CORS headers on every later answer, errors included', async () => {
    const target = await start({ cors, maxHttpBufferSize: 100 });
    const headers = { origin };
    const expectCors = (answer: { headers: object }, status: number) =>
      expect(answer).toMatchObject({
        status,
        headers: { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' },
      });
    const client = await row.open(target, { headers, paused: true });
    const session = await target.sessions.next();
    const url = urlOf(target.url, client.sid);
    const noop = row.protocol === 4 ? '6' : '1:6';
    expectCors(await ask(`${url}${row.postQuery}`, { method: 'POST', body: noop, headers }), 200);
    if (row.takesAnotherGet) {
      session.send('down');
      expectCors(await headOf(url, { headers }), 200);
    }
    const next = row.postQuery.replace('seq=1', 'seq=2');
    expectCors(await ask(`${url}${next}`, { method: 'POST', body: 'x'.repeat(101), headers }), 413);
    expectCors(await ask(urlOf(target.url, 'unknown'), { headers }), 400);
    expectCors(await ask(`${target.url}?EIO=4&transport=pigeon`, { headers }), 400);
    expectCors(await ask(urlOf(target.url), { method: 'POST', headers, body: '' }), 400);
  });

  it('have no CORS headers without the option', async () => {
    const target = await start();
    const answer = await headOf(urlOf(target.url), { headers: { origin } });
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  if (ours) {
    it.each([
      [origin, origin],
      [true, origin],
      ['*', '*'],
      ['https://other.example', 'https://other.example'],
      [/other/, undefined],
    ])('let those see how they came whom the cors option lets read them: %p', async (allowed, told) => {
      const target = await start({ cors: { origin: allowed } });
      const { headers } = await headOf(urlOf(target.url), { headers: { origin } });
      expect(headers['timing-allow-origin']).toBe(told);
      expect(headers['access-control-allow-origin']).toBe(told);
    });

    it('do not let anybody without the option', async () => {
      const target = await start();
      const { headers } = await headOf(urlOf(target.url), { headers: { origin } });
      expect(headers).not.toHaveProperty('timing-allow-origin');
    });
  }

  it('take cors as a function of the request', async () => {
    const target = await start({
      cors: (req: IncomingMessage, done: (error: null, options: object) => void) =>
        done(null, { origin: req.headers['x-tenant'] === 'a' ? 'https://a.example' : false }),
    });
    const answer = await headOf(urlOf(target.url), { headers: { 'x-tenant': 'a', origin: 'https://a.example' } });
    expect(answer.headers['access-control-allow-origin']).toBe('https://a.example');
    const other = await headOf(urlOf(target.url), { headers: { 'x-tenant': 'b', origin: 'https://a.example' } });
    expect(other.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('set the cookie of the cookie option on the handshake only', async () => {
    const target = await start({ cookie: true });
    const client = await row.open(target, { paused: true });
    expect(client.headers['set-cookie']).toEqual([`io=${client.sid}; Path=/; HttpOnly; SameSite=Lax`]);
    const session = await target.sessions.next();
    const body = row.protocol === 4 ? '4x' : '2:4x';
    const later: Pick<Answer, 'status' | 'headers'>[] = [];
    later.push(await ask(`${urlOf(target.url, client.sid)}${row.postQuery}`, { method: 'POST', body }));
    if (row.takesAnotherGet) {
      session.send('x');
      later.push(await headOf(urlOf(target.url, client.sid)));
    }
    for (const answer of later) {
      expect(answer.status).toBe(200);
      expect(answer.headers).not.toHaveProperty('set-cookie');
    }
  });

  it('take the attributes of the cookie from its options', async () => {
    const cookie = { name: 'sticky', path: '/app', httpOnly: false, sameSite: 'strict', secure: true, maxAge: 60 };
    const target = await start({ cookie });
    const client = await row.open(target, { paused: true });
    const [value] = client.headers['set-cookie']!;
    expect(value!.split('; ').sort()).toEqual(
      [`sticky=${client.sid}`, 'Max-Age=60', 'Path=/app', 'SameSite=Strict', 'Secure'].sort(),
    );
  });

  it('set no cookie by default', async () => {
    const target = await start();
    expect((await row.open(target, { paused: true })).headers).not.toHaveProperty('set-cookie');
  });

  it('must not be cached', async () => {
    const target = await start();
    const client = await row.open(target, { paused: true });
    expect(client.headers['cache-control']).toContain('no-store');
    const answer = await ask(`${urlOf(target.url, client.sid)}${row.postQuery}`, {
      method: 'POST',
      body: row.protocol === 4 ? '4x' : '2:4x',
    });
    expect(answer).toMatchObject({ status: 200, text: 'ok', headers: { 'cache-control': 'no-store' } });
  });

  it('let a middleware refuse a request of a session without ending the session', async () => {
    const target = await start();
    let closed = false;
    target.engine.use((_req, _res, next) => next(closed ? new Error('maintenance') : undefined));
    const client = await row.open(target, { paused: true });
    const session = await target.sessions.next();
    closed = true;
    expect((await ask(urlOf(target.url, client.sid))).status).toBe(400);
    closed = false;
    expect(session.readyState).toBe('open');
    await client.send(message('again'));
  });
});
