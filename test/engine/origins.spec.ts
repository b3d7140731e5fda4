import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { OriginPolicy, type OriginOptions } from '../../lib/engine/origins.js';
import { compileTrust } from '../../lib/engine/request.js';

const SITE = 'https://app.example';
const EVIL = 'https://evil.example';

const ask = async (headers: Record<string, string>, options: Partial<OriginOptions> = {}, trustProxy?: boolean) => {
  const policy = new OriginPolicy({ origins: undefined, cors: false, ...options }, compileTrust(trustProxy));
  return policy.allows({ headers, socket: { remoteAddress: '127.0.0.1' } } as unknown as IncomingMessage);
};

describe('origins, by default', () => {
  it.each<[string, Record<string, string>, boolean]>([
    ['no Origin (no browser)', { host: 'app.example', cookie: 'a=1' }, true],
    ['the host itself', { host: 'app.example', origin: SITE, cookie: 'a=1' }, true],
    ['the host itself, in capitals', { host: 'APP.example', origin: SITE, cookie: 'a=1' }, true],
    ['the host itself, TLS ended before', { host: 'app.example', origin: 'http://app.example', cookie: 'a=1' }, true],
    ['the host itself with its default port', { host: 'app.example:443', origin: SITE, cookie: 'a=1' }, true],
    ['the same host on another port', { host: 'app.example:8080', origin: SITE, cookie: 'a=1' }, false],
    [
      'same-origin by Sec-Fetch-Site, Host lost',
      { host: 'upstream', origin: SITE, cookie: 'a=1', 'sec-fetch-site': 'same-origin' },
      true,
    ],
    ['same-site only', { host: 'api.example', origin: SITE, cookie: 'a=1', 'sec-fetch-site': 'same-site' }, false],
    ['another site with cookies', { host: 'app.example', origin: EVIL, cookie: 'a=1' }, false],
    ['another site without cookies', { host: 'app.example', origin: EVIL }, true],
    ['an opaque origin with cookies', { host: 'app.example', origin: 'null', cookie: 'a=1' }, false],
    ['an opaque origin without cookies', { host: 'app.example', origin: 'null' }, true],
    [
      'a host that only begins alike',
      { host: 'app.example', origin: 'https://app.example.evil.example', cookie: 'a=1' },
      false,
    ],
    ['no host at all', { origin: SITE, cookie: 'a=1' }, false],
  ])('%s', async (_what, headers, allowed) => {
    expect(await ask(headers)).toBe(allowed);
  });

  it.each<[string, Record<string, string>, boolean]>([
    ['an image or a link of another site, with cookies', { 'sec-fetch-site': 'cross-site', cookie: 'a=1' }, false],
    ['one of another host of this site, with cookies', { 'sec-fetch-site': 'same-site', cookie: 'a=1' }, false],
    ['an image or a link of another site, without cookies', { 'sec-fetch-site': 'cross-site' }, true],
    ['one of the page itself', { 'sec-fetch-site': 'same-origin', cookie: 'a=1' }, true],
    ['an address that somebody typed', { 'sec-fetch-site': 'none', cookie: 'a=1' }, true],
  ])('without an Origin: %s', async (_what, headers, allowed) => {
    expect(await ask({ host: 'app.example', ...headers })).toBe(allowed);
    // cors cannot name what has no origin
    expect(await ask({ host: 'app.example', ...headers }, { cors: { origin: '*' } })).toBe(allowed);
  });

  it('lets in what cors.origin names, in every form of the cors package', async () => {
    const request = { host: 'api.example', origin: SITE, cookie: 'a=1' };
    const forms: [OriginOptions['cors'], boolean][] = [
      [{ origin: '*' }, true],
      [{ origin: true }, true],
      [{}, true],
      [{ origin: false }, false],
      [{ origin: SITE }, true],
      [{ origin: EVIL }, false],
      [{ origin: /\.example$/ }, true],
      [{ origin: [EVIL, /^https:\/\/app\./] }, true],
      [{ origin: (origin, done) => done(null, origin === SITE) }, true],
      [{ origin: (_origin, done) => done(null, EVIL) }, false],
      [{ origin: (_origin, done) => done(new Error('no')) }, false],
      [(_request, done) => done(null, { origin: SITE }), true],
      [(_request, done) => done(new Error('no')), false],
      [{ origin: () => { throw new Error('no'); } }, false], // prettier-ignore
      [{ origin: (async () => { throw new Error('no'); }) as never }, false], // prettier-ignore
    ];
    for (const [cors, allowed] of forms) expect(await ask(request, { cors })).toBe(allowed);
  });

  it('believes X-Forwarded-Host only from a trusted proxy', async () => {
    const request = { host: 'upstream', 'x-forwarded-host': 'app.example, inner', origin: SITE, cookie: 'a=1' };
    expect(await ask(request)).toBe(false);
    expect(await ask(request, {}, true)).toBe(true);
  });
});

describe('origins, listed', () => {
  it.each<[string, OriginOptions['origins'], boolean]>([
    ['the origin', SITE, true],
    ['another one', EVIL, false],
    ['a pattern', /^https:\/\/app\./, true],
    ['a list', [EVIL, SITE], true],
    ['an empty list', [], false],
    ['a test', (origin) => origin === SITE, true],
    ['an asynchronous test', async (origin) => origin === EVIL, false],
    [
      'a test that throws',
      () => {
        throw new Error('database down');
      },
      false,
    ],
    [
      'a test that rejects',
      async () => {
        throw new Error('database down');
      },
      false,
    ],
  ])('%s', async (_what, origins, allowed) => {
    expect(await ask({ host: 'api.example', origin: SITE }, { origins })).toBe(allowed);
    expect(await ask({ host: 'api.example', origin: SITE, cookie: 'a=1' }, { origins, cors: { origin: SITE } })).toBe(
      allowed,
    );
  });

  it('refuses what another site embeds, cookies or not', async () => {
    const request = { host: 'app.example', 'sec-fetch-site': 'cross-site' };
    expect(await ask(request, { origins: SITE })).toBe(false);
    expect(await ask({ ...request, 'sec-fetch-site': 'none' }, { origins: SITE })).toBe(true);
  });

  it('asks a pattern with the flag g as often as it likes', async () => {
    const origins = /^https:\/\/app\.example$/g;
    const answers: unknown[] = [];
    for (let i = 0; i < 4; i++) answers.push(await ask({ host: 'api.example', origin: SITE }, { origins }));
    for (let i = 0; i < 2; i++) {
      answers.push(await ask({ host: 'api.example', origin: SITE, cookie: 'a=1' }, { cors: { origin: origins } }));
    }
    expect(answers).toEqual([true, true, true, true, true, true]);
  });

  it('never refuses the host itself, nor a client that is no browser', async () => {
    expect(await ask({ host: 'app.example', origin: SITE }, { origins: [] })).toBe(true);
    expect(await ask({ host: 'app.example' }, { origins: [] })).toBe(true);
  });
});
