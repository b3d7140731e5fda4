import { describe, expect, it } from '@jest/globals';
import { ask, headOf } from '../support/wire-http.js';
import { useEngines, type Harness } from '../support/wire-engine.js';

/*
 * Pages of other sites that embed what they may not: by the wire alone, with the headers that browsers of different ages send
 * and that a hostile page can suppress (Referer), but not forge.
 */
const start = useEngines();

const SITE = 'https://app.example';
const EVIL = 'https://evil.example';
const USER = { cookie: 'session=of-a-user' };
const NAMED = { cors: { origin: [SITE], credentials: true } };

type Headers = Record<string, string>;

const own = (target: Harness): string => new URL(target.url).origin;

const script = (target: Harness, headers: Headers, more = '') =>
  ask(`${target.url}?EIO=4&transport=polling&j=0${more}`, { headers });

const frame = (target: Harness, origin: string, headers: Headers) =>
  headOf(`${target.url}?EIO=4&transport=htmlfile&origin=${encodeURIComponent(origin)}`, { headers });

describe('a script of another site', () => {
  it.each<[string, Headers]>([
    ['told by Sec-Fetch-Site', { 'sec-fetch-site': 'cross-site' }],
    ['of another host of this site', { 'sec-fetch-site': 'same-site' }],
    ['told by both', { 'sec-fetch-site': 'cross-site', referer: `${EVIL}/page` }],
    ['told by Referer alone', { referer: `${EVIL}/page` }],
    ['that says of itself what cannot be read', { referer: 'about:client' }],
    ['told by Origin', { origin: EVIL }],
    ['without an origin of its own', { origin: 'null' }],
    ['whose name begins as ours', { referer: `${SITE}.evil.example/` }],
  ])('gets nothing: %s', async (_what, headers) => {
    for (const options of [{}, { cors: { origin: '*' } }, { cors: { origin: true } }, { cors: {} }, NAMED]) {
      const target = await start(options);
      for (const cookies of [{}, USER]) {
        const answer = await script(target, { ...headers, ...cookies });
        expect([answer.status, answer.text]).toEqual([403, '{"code":4,"message":"Forbidden"}']);
        expect(answer.headers['content-type']).toBe('application/json');
      }
      expect(target.engine.clientsCount).toBe(0);
    }
  });

  it('that hides where it is from gets nothing with the cookies of a user, and nothing at all once origins are listed', async () => {
    expect((await script(await start(), USER)).status).toBe(403);
    expect((await script(await start(), {})).status).toBe(200);
    expect((await script(await start({ origins: SITE }), {})).status).toBe(403);
  });

  it.each<[string, Headers]>([
    ['by Referer', { referer: `${SITE}/page?x=1` }],
    ['by Sec-Fetch-Site and Referer', { 'sec-fetch-site': 'cross-site', referer: `${SITE}/` }],
    ['by Origin', { origin: SITE }],
  ])('that is named gets its packets: %s', async (_how, headers) => {
    const rules = [
      NAMED,
      { cors: { origin: SITE } },
      { cors: { origin: /^https:\/\/app\./ } },
      { cors: { origin: (origin: string, done: (e: null, ok: boolean) => void) => done(null, origin === SITE) } },
      { origins: [SITE] },
      { origins: (origin: string) => origin === SITE },
    ];
    for (const options of rules) {
      const target = await start(options);
      const answer = await script(target, { ...headers, ...USER });
      expect(answer.status).toBe(200);
      expect(answer.text).toMatch(/^\/\*\*\/___eio\[0\]\("0\{/);
      expect(answer.headers).toMatchObject({
        'content-type': 'text/javascript; charset=UTF-8',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'cross-origin',
      });
    }
  });

  it.each<[string, (target: Harness) => Headers]>([
    ['by Sec-Fetch-Site', () => ({ 'sec-fetch-site': 'same-origin' })],
    ['by Referer', (target) => ({ referer: `${own(target)}/page` })],
    ['whose address was typed', () => ({ 'sec-fetch-site': 'none' })],
  ])('of the server itself gets its packets: %s', async (_how, headers) => {
    const target = await start();
    expect((await script(target, { ...headers(target), ...USER })).status).toBe(200);
  });

  it('is judged by each request, form or script, whoever opened the session', async () => {
    const target = await start();
    const opened = await script(target, { 'sec-fetch-site': 'same-origin' });
    const { sid } = JSON.parse(JSON.parse(/\((".*")\)/.exec(opened.text)![1]!).slice(1));
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { referer: `${EVIL}/` }, USER]) {
      expect((await script(target, headers as Headers, `&sid=${sid}`)).status).toBe(403);
    }
    for (const origin of [EVIL, 'null']) {
      const url = `${target.url}?EIO=4&transport=polling&j=0&sid=${sid}`;
      expect((await ask(url, { method: 'POST', body: 'd=4x', headers: { origin, ...USER } })).status).toBe(403);
    }
    const url = `${target.url}?EIO=4&transport=polling&j=0&sid=${sid}`;
    const taken = await ask(url, { method: 'POST', body: 'd=4x', headers: { origin: own(target), ...USER } });
    expect(taken).toMatchObject({ status: 200, text: 'ok' });
  });

  it('gets each answer as it has to be, whatever an application says of frames', async () => {
    const target = await start(NAMED);
    target.engine.use((_request, response, next) => {
      response.setHeader('X-Frame-Options', 'DENY');
      response.setHeader('Content-Security-Policy', "default-src 'self'; frame-ancestors 'none'");
      response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
      next();
    });
    const opened = await script(target, { referer: `${SITE}/` });
    const { sid } = JSON.parse(JSON.parse(/\((".*")\)/.exec(opened.text)![1]!).slice(1));
    const session = await target.sessions.next();
    session.send('x');
    const polled = await script(target, { referer: `${SITE}/` }, `&sid=${sid}`);
    expect(polled.text).toBe('/**/___eio[0]("4x");');
    const url = `${target.url}?EIO=4&transport=polling&j=0&sid=${sid}`;
    const posted = await ask(url, { method: 'POST', body: 'd=4y', headers: { origin: SITE } });
    for (const { status, headers } of [opened, polled, posted]) {
      expect(status).toBe(200);
      expect(headers['cross-origin-resource-policy']).toBe('cross-origin');
      for (const name of ['x-frame-options', 'content-security-policy']) expect(headers).not.toHaveProperty(name);
    }
  });

  it.each(['alert(1)', '1x', '', '-1', '12345678901', '0]("");alert(1);//', '__proto__'])(
    'cannot choose what is called: j=%s',
    async (j) => {
      const target = await start();
      const answer = await ask(`${target.url}?EIO=4&transport=polling&j=${encodeURIComponent(j)}`);
      expect([answer.status, answer.text]).toEqual([400, '{"code":3,"message":"Bad request"}']);
      expect(target.engine.clientsCount).toBe(0);
    },
  );

  it('is refused where jsonp is not enabled, and polling need not be', async () => {
    const refused = await script(await start({ transports: ['polling', 'websocket'] }), {});
    expect([refused.status, refused.text]).toEqual([400, '{"code":0,"message":"Transport unknown"}']);
    const target = await start({ transports: ['jsonp'] });
    expect((await script(target, {})).status).toBe(200);
    expect((await ask(`${target.url}?EIO=4&transport=polling`)).status).toBe(400);
    expect((await ask(`${target.url}?EIO=4&transport=jsonp&j=0`)).status).toBe(400);
  });
});

describe('a frame of another site', () => {
  it.each<[string, string, Headers]>([
    ['that says who it is', EVIL, { 'sec-fetch-site': 'cross-site', referer: `${EVIL}/` }],
    ['that says who it is, in an old browser', EVIL, { referer: `${EVIL}/` }],
    ['that hides where it is from', EVIL, {}],
    ['that claims to be one that is named', SITE, { 'sec-fetch-site': 'cross-site', referer: `${EVIL}/` }],
    ['that claims so, in an old browser', SITE, { referer: `${EVIL}/` }],
    ['that claims so, and hides where it is from', SITE, { 'sec-fetch-site': 'cross-site' }],
    [
      'within a page of this site that it has led astray',
      EVIL,
      { 'sec-fetch-site': 'same-origin', referer: `${SITE}/` },
    ],
    ['that reads by fetch', SITE, { origin: EVIL, ...USER }],
  ])('gets no document: %s', async (_what, origin, headers) => {
    for (const options of [NAMED, { origins: [SITE] }]) {
      const target = await start(options);
      for (const cookies of [{}, USER]) {
        expect((await frame(target, origin, { ...headers, ...cookies })).status).toBe(403);
      }
      expect(target.engine.clientsCount).toBe(0);
    }
  });

  it('gets no document that is posted to everybody, whatever cors says', async () => {
    for (const cors of [{ origin: '*' }, { origin: true }, {}]) {
      const target = await start({ cors });
      expect((await frame(target, EVIL, { referer: `${EVIL}/` })).status).toBe(403);
      expect((await frame(target, '*', { referer: `${EVIL}/` })).status).toBe(400);
      expect((await frame(target, 'null', { 'sec-fetch-site': 'cross-site' })).status).toBe(400);
    }
  });

  it('cannot have a document of this server with the cookies of a user, if it hides where it is from', async () => {
    const target = await start();
    expect((await frame(target, own(target), USER)).status).toBe(403);
    expect((await frame(target, own(target), { ...USER, referer: `${own(target)}/` })).status).toBe(200);
  });

  it('that is named gets a document for itself alone, whatever an application says of frames', async () => {
    const target = await start(NAMED);
    target.engine.use((_request, response, next) => {
      response.setHeader('X-Frame-Options', 'SAMEORIGIN');
      response.setHeader('Content-Security-Policy', "default-src 'self'; frame-ancestors 'self'");
      response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
      next();
    });
    const allowed = await frame(target, SITE, { 'sec-fetch-site': 'cross-site', referer: `${SITE}/`, ...USER });
    expect(allowed.status).toBe(200);
    expect(allowed.headers).not.toHaveProperty('x-frame-options');
    expect(allowed.headers['content-security-policy']).toMatch(
      /^default-src 'none'; .* frame-ancestors https:\/\/app\.example$/,
    );
    expect(allowed.headers['cross-origin-resource-policy']).toBe('cross-origin');
    // what is refused stays as the application wants it
    const refused = await frame(target, EVIL, { 'sec-fetch-site': 'cross-site', referer: `${EVIL}/` });
    expect(refused.headers).toMatchObject({
      'x-frame-options': 'SAMEORIGIN',
      'cross-origin-resource-policy': 'same-origin',
    });
  });

  it('of the page of this server is let in behind a proxy that loses the host', async () => {
    const target = await start();
    const headers = { host: 'upstream', 'sec-fetch-site': 'same-origin', referer: `${SITE}/page`, ...USER };
    expect((await frame(target, SITE, headers)).status).toBe(200);
  });
});
