import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Socket as ServerSocket } from 'socket.io';
import type { Browser, Page } from 'puppeteer-core';
import { startLive, until, type Live } from '../client/support.js';
import { launchBrowser, type BrowserName } from '../support/browsers.js';
import { cuttingProxy } from '../support/wire-cutting.js';
import { expectEchoes, expectOrder } from './support/exchange.js';
import { openPage, pageHandler, serverSources, startPage } from './support/page.js';

/*
 * The forever iframe and JSONP in real browsers, from a page of the server's own origin and of another, under the policy
 * of docs/client.md, against a server that forbids to be embedded as helmet does. What is given to `evaluate` runs in the
 * page.
 */
declare const nestwire: any;
declare const violations: string[];
declare const document: any;
declare const history: { length: number };
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

const STOCK_PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><script src="/stock2.js"></script></html>';

/** Connects while the page is being loaded, for which it takes its time, by what its address names. */
const EARLY_PAGE =
  '<!doctype html><html lang="en"><meta charset="utf-8">' +
  '<script src="/nestwire.legacy.js"></script><script src="/early.js"></script><img src="/slow.png" alt=""></html>';
const EARLY_SCRIPT = 'var socket = nestwire.connect({ transports: [location.search.slice(1)] });';

/** Milliseconds until a picture comes. */
const SLOW = 500;

const TRANSPORTS = ['htmlfile', 'jsonp'] as const;

/** Text that some wire has trouble with. */
const NASTY = `a\r\nb\rc\nd\\n\\\\n\0e\u2028f\u2029g\u{1f600}h\x1ei</script><!--<script>'"&lt;j k+l%41`;
const COUNT = 200;
const numbers = Array.from({ length: COUNT }, (_, n) => n);

/** Bytes after which a document is ended. */
const RECYCLE_BYTES = 50_000;

/** What helmet adds to every answer, and more. */
const AGAINST_EMBEDDING = {
  'X-Frame-Options': 'DENY',
  'Content-Security-Policy': "default-src 'self'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
};

type Side = 'same' | 'cross';

interface Site {
  url: string;
  close(): Promise<void>;
}

export function describeLegacy(browserName: BrowserName): void {
  jest.setTimeout(60_000);

  let live: Live;
  let elsewhere: Site;
  let stock: Site;
  let free: Site;
  let browser: Browser;
  let page: Page;
  let problems: string[];
  /** The origin that is let in beside the server's own. */
  let allowed = '';
  /** GETs of documents so far. */
  let documents = 0;

  beforeAll(async () => {
    live = await startLive({
      transports: ['websocket', 'polling', ...TRANSPORTS],
      allowEIO3: true,
      recycleBytes: RECYCLE_BYTES,
      // Chromium does not tell that a document was cut: a ping that is missing does
      pingInterval: 1000,
      pingTimeout: 16_000,
      cors: {
        origin: (_origin: unknown, decide: (error: null, origin: string) => void) => decide(null, allowed),
        credentials: true,
      },
    } as never);
    live.engine.use((request, response, next) => {
      for (const [name, value] of Object.entries(AGAINST_EMBEDDING)) response.setHeader(name, value);
      if (request.method === 'GET' && request.url!.includes('transport=htmlfile')) documents++;
      next();
    });
    const files = new Map<string, string | Buffer>([
      ['/nestwire.legacy.js', readFileSync(resolve('dist/client/nestwire.legacy.js'))],
      ['/stock2.js', readFileSync(resolve('node_modules/socket.io-client-2/dist/socket.io.js'))],
    ]);
    const scripts = ['/nestwire.legacy.js'];
    const own = pageHandler(() => serverSources(), {
      scripts,
      frameSources: "'self'",
      files: new Map([...files, ['/early', EARLY_PAGE], ['/early.js', EARLY_SCRIPT]]),
    });
    const stockOptions = { scripts: ['/stock2.js'], policy: '', files };
    const stockHere = pageHandler(() => '', { ...stockOptions, files: new Map([...files, ['/stock', STOCK_PAGE]]) });
    live.http.on('request', (request, response) => {
      if (request.url!.startsWith('/socket.io')) return;
      if (request.url === '/slow.png') setTimeout(() => response.writeHead(204).end(), SLOW);
      else if (request.url === '/stock') stockHere(request, response);
      else own(request, response);
    });
    live.io.on('connection', (socket) => {
      socket.on('count', (n: number) => socket.emit('count', n));
    });
    elsewhere = await startPage(() => serverSources(live.url), {
      scripts,
      scriptSources: `'self' ${live.url}`,
      frameSources: live.url,
      files,
    });
    allowed = elsewhere.url;
    // it makes its frames by an address with a script in it, which no policy lets pass
    stock = await startPage(() => '', stockOptions);
    // to talk to whatever port a proxy gets
    free = await startPage(() => '', { scripts, policy: '', files });
    browser = await launchBrowser(browserName);
  });

  afterAll(async () => {
    await browser?.close();
    await elsewhere?.close();
    await stock?.close();
    await free?.close();
    await live?.close();
  });

  /** Connects the page by some transports. @returns the server's side. */
  async function connect(transports: readonly string[], url = live.url, options: object = {}): Promise<ServerSocket> {
    const accepted = new Promise<ServerSocket>((done) => live.io.once('connection', done));
    await page.evaluate(
      (url: string, transports: readonly string[], options: object) =>
        new Promise((resolve, reject) => {
          const socket = nestwire.connect(url, { transports, withCredentials: true, reconnection: false, ...options });
          globalThis.socket = socket;
          globalThis.ended = new Promise((tell) => socket.on('disconnect', tell));
          socket.on('connect', resolve);
          socket.on('connect_error', (error: Error) => reject(error));
        }),
      url,
      transports,
      options,
    );
    return accepted;
  }

  const transportInUse = () => page.evaluate(() => globalThis.socket.io.engine.transport.name as string);

  describe.each(['same', 'cross'] as const)(`${browserName}, a page of the %s origin`, (side: Side) => {
    beforeEach(async () => {
      ({ page, problems } = await openPage(browser, side === 'same' ? live.url : elsewhere.url));
    });

    afterEach(async () => {
      if (!page.isClosed()) {
        expect(await page.evaluate(() => violations)).toEqual([]);
        await page.close();
      }
      expect(problems).toEqual([]);
      await until(() => live.engine.clientsCount === 0, 'every session ended');
    });

    it.each(TRANSPORTS)('has a connection by %s that carries text, bytes and order', async (transport) => {
      const before = await page.evaluate(() => history.length);
      const server = await connect([transport]);
      expect(await transportInUse()).toBe(transport);
      expect(server.conn.transport.name).toBe(transport === 'jsonp' ? 'polling' : transport);

      await expectEchoes(page, NASTY);
      await expectOrder(page, server, COUNT);

      server.disconnect(true);
      expect(await page.evaluate(() => globalThis.ended)).toBe('io server disconnect');
      // neither a page to go back to, nor anything left in this one
      expect(await page.evaluate(() => history.length)).toBe(before);
      const left = () => page.evaluate(() => document.querySelectorAll('iframe, form, script:not([src^="/"])').length);
      await until(() => live.engine.clientsCount === 0, 'the session ended');
      expect(await left()).toBeLessThanOrEqual(transport === 'jsonp' ? 1 : 0);
    });

    it.each(TRANSPORTS)('carries 100 KB each way by %s', async (transport) => {
      await connect([transport]);
      const same = await page.evaluate(async () => {
        const text = 'é<\\n'.repeat(25_000);
        return (await globalThis.socket.emitWithAck('echo', text)) === text;
      });
      expect(same).toBe(true);
      await page.evaluate(() => void globalThis.socket.disconnect());
    });

    it.each(TRANSPORTS)('tells the server that it disconnects by %s, after what it sent', async (transport) => {
      const server = await connect([transport]);
      const got: unknown[] = [];
      server.conn.on('data', (data: unknown) => got.push(data));
      const closed = once(server.conn, 'close');
      await page.evaluate(() => void globalThis.socket.emit('last').disconnect());
      expect((await closed)[0]).toBe('transport close');
      expect(got).toEqual(['2["last"]', '1']);
    });

    it.each(TRANSPORTS)('is missed when it goes away, by %s', async (transport) => {
      const closed = once(await connect([transport]), 'disconnect');
      await page.goto('about:blank');
      expect(String((await closed)[0])).toMatch(/^transport (close|error)$/);
      await page.close();
    });

    it.each(TRANSPORTS)('goes on from %s to websocket', async (transport) => {
      const server = await connect([transport, 'websocket']);
      // JSONP comes last
      if (transport === 'htmlfile') await until(() => server.conn.upgraded, 'it is upgraded');
      expect(server.conn.transport.name).toBe('websocket');
      expect(await page.evaluate(() => globalThis.socket.emitWithAck('echo', 'on'))).toBe('on');
      expect(await transportInUse()).toBe('websocket');
      await page.evaluate(() => void globalThis.socket.disconnect());
    });

    it('asks for one document after the other, and keeps nothing of them', async () => {
      const server = await connect(['htmlfile']);
      const before = documents;
      const got = page.evaluate(
        (count: number) =>
          new Promise((resolve) => {
            const got: number[] = [];
            globalThis.socket.on('much', (n: number) => {
              if (got.push(n) === count) resolve(got);
            });
          }),
        COUNT,
      );
      await page.evaluate(() => {});
      for (const n of numbers) {
        server.emit('much', n, 'x'.repeat(1000));
        if (n % 10 === 0) await new Promise(setImmediate);
      }
      expect(await got).toEqual(numbers);
      await until(() => documents - before >= 2, 'the next document was asked for');
      expect(documents - before).toBeLessThan(20);
      expect(await page.evaluate(() => globalThis.socket.emitWithAck('echo', 'still there'))).toBe('still there');
      expect(await page.evaluate(() => document.querySelectorAll('iframe').length)).toBe(1);
      if (side === 'same') {
        const kept = await page.evaluate(() => document.querySelector('iframe').contentDocument.body.childNodes.length);
        expect(kept).toBe(0);
      }
      await page.evaluate(() => void globalThis.socket.disconnect());
    });
  });

  describe(`${browserName}, elsewhere`, () => {
    afterEach(async () => {
      await page.close();
      await until(() => live.engine.clientsCount === 0, 'every session ended');
    });

    it.each(['own', 'other'])('a stock client 2.5 connects by JSONP from a page of its %s server', async (side) => {
      allowed = stock.url;
      ({ page, problems } = await openPage(browser, side === 'own' ? `${live.url}/stock` : stock.url));
      const told = await page.evaluate(
        async (url: string, text: string) => {
          const socket = globalThis.io(url, { transports: ['polling'], forceJSONP: true, upgrade: false });
          await new Promise((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject));
          const back = await new Promise((resolve) => socket.emit('echo', text, resolve));
          const { query, name } = socket.io.engine.transport;
          const told = [back, name, typeof query.j];
          const posted = new Promise((resolve) => socket.io.engine.on('close', resolve));
          socket.close();
          await posted;
          return told;
        },
        live.url,
        NASTY,
      );
      expect(told).toEqual([NASTY, 'polling', 'number']);
      allowed = elsewhere.url;
    });

    it.each(TRANSPORTS)('a page of a site that is not named gets no connection by %s', async (transport) => {
      allowed = 'https://nobody.example';
      ({ page, problems } = await openPage(browser, elsewhere.url));
      const reason = await connect([transport]).then(String, String);
      expect(reason).toMatch(/no document|poll error/);
      allowed = elsewhere.url;
    });

    it.each(TRANSPORTS)('a page that connects by %s at once is loaded all the same', async (transport) => {
      // waits until it is
      ({ page, problems } = await openPage(browser, `${live.url}/early?${transport}`));
      expect(await page.evaluate(() => globalThis.socket.emitWithAck('echo', 'here'))).toBe('here');
      expect(await transportInUse()).toBe(transport);
      expect(await page.evaluate(() => violations)).toEqual([]);
      expect(problems).toEqual([]);
    });

    it('a document that is cut is asked for again, and nothing is lost', async () => {
      allowed = free.url;
      ({ page } = await openPage(browser, free.url));
      const proxy = await cuttingProxy(live.port, { responseAfter: 500 });
      try {
        const server = await connect(['htmlfile'], `http://127.0.0.1:${proxy.port}`);
        await page.evaluate(() => {
          globalThis.got = [];
          globalThis.socket.on('count', (n: number) => globalThis.got.push(n));
        });
        let sent = 0;
        while (proxy.cutResponses < 1 || sent < 50) {
          server.emit('count', sent++);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await page.waitForFunction((sent: number) => globalThis.got.length >= sent, {}, sent);
        expect(await page.evaluate(() => globalThis.got)).toEqual(Array.from({ length: sent }, (_, n) => n));
        server.disconnect(true);
      } finally {
        await proxy.close();
        allowed = elsewhere.url;
      }
    });
  });
}
