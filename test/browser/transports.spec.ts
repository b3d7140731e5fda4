import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Socket as ServerSocket } from 'socket.io';
import type { Browser, Page } from 'puppeteer-core';
import { ALL, startLive, STREAMING, until, type Live } from '../client/support.js';
import { BROWSERS, launchBrowser } from '../support/browsers.js';
import { expectEchoes, expectOrder } from './support/exchange.js';
import { openPage, pageHandler, serverSources, startPage } from './support/page.js';

/*
 * Every transport in real browsers, from a page of the server's own origin and of another, under a strict policy. What is
 * given to `evaluate` runs in the page.
 */
declare const nestwire: any;
declare const violations: string[];
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

/** Text that some wire has trouble with. */
const NASTY = 'a\r\nb\rc\nd\0e\u2028f\u2029g\u{1f600}h\x1ei</script><!--<script>j ';
const COUNT = 1000;
const LARGE = 900_000;

/** Why a session ended that was told so: at once, and not after the 45 s of its heartbeat. */
const GOODBYE = /^transport (close|error)$/;

jest.setTimeout(60_000);

let live: Live;
let pages: { url: string; close(): Promise<void> };
let page: Page;
let problems: string[];
/** What the page's origin is at the moment. */
let allowed: string;
/** Called with the next POST, which is left without an answer. */
let onHeld: (() => void) | null = null;

beforeAll(async () => {
  live = await startLive({
    cors: {
      origin: (_origin: unknown, decide: (error: null, origin: string) => void) => decide(null, allowed),
      credentials: true,
    },
    maxHttpBufferSize: 2_000_000,
  } as never);
  const handler = pageHandler(() => serverSources());
  live.http.on('request', (request, response) => {
    if (!request.url!.startsWith('/socket.io')) handler(request, response);
  });
  live.engine.use((request, _response, next) => {
    if (request.method !== 'POST' || onHeld === null) return next();
    onHeld();
    onHeld = null;
  });
  live.io.on('connection', (socket) => {
    socket.on('count', (n: number) => socket.emit('count', n));
    socket.on('large', (data: string | Buffer, ack: (length: number, data: unknown) => void) => ack(data.length, data));
  });
  pages = await startPage(() => serverSources(live.url));
});

afterAll(async () => {
  await live?.close();
  await pages?.close();
});

/** Connects the page by one transport. @returns the server's side. */
async function connect(transport: string, { reconnection = false } = {}): Promise<ServerSocket> {
  const accepted = new Promise<ServerSocket>((resolve) => live.io.once('connection', resolve));
  const name = await page.evaluate(
    (url: string, transport: string, reconnection: boolean) =>
      new Promise((resolve, reject) => {
        const socket = nestwire.connect(url, { transports: [transport], withCredentials: true, reconnection });
        globalThis.socket = socket;
        globalThis.ended = new Promise((tell) => socket.on('disconnect', tell));
        socket.on('connect', () => resolve(socket.io.engine.transport.name));
        socket.on('connect_error', (error: Error) => reject(error));
      }),
    live.url,
    transport,
    reconnection,
  );
  expect(name).toBe(transport);
  const server = await accepted;
  // a page that polls and goes away between two polls is not missed before its heartbeat: the next one has come
  await until(() => server.conn.transport.writable, 'the way down is open');
  return server;
}

describe.each(BROWSERS)('in %s', (browserName) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchBrowser(browserName);
  });

  afterAll(async () => {
    await browser?.close();
  });

  /**
   * Has the page go away, in the way that tells the server at once. Firefox drops, in about one of a hundred times, what a
   * page sends while its tab is closed; Chromium does not end a page that another one follows.
   */
  async function leave(): Promise<void> {
    if (browserName === 'firefox') await page.goto('about:blank');
    else await page.close();
  }

  describe.each(['same', 'cross'] as const)('from a page of the %s origin', (side) => {
    beforeEach(async () => {
      const { url } = side === 'same' ? live : pages;
      allowed = url;
      ({ page, problems } = await openPage(browser, url));
    });

    afterEach(async () => {
      if (!page.isClosed()) await page.close();
    });

    it.each(ALL)('%s does all that a transport has to', async (transport) => {
      const server = await connect(transport);

      await expectEchoes(page, NASTY);
      await expectOrder(page, server, COUNT);

      const large = await page.evaluate(async (length: number) => {
        const text = 'é'.repeat(length / 2);
        const [textLength, textBack] = await new Promise<any>((resolve) =>
          globalThis.socket.emit('large', text, (...answer: unknown[]) => resolve(answer)),
        );
        const data = Uint8Array.from({ length }, (_, n) => n * 7);
        const [dataLength, dataBack] = await new Promise<any>((resolve) =>
          globalThis.socket.emit('large', data, (...answer: unknown[]) => resolve(answer)),
        );
        const back = new Uint8Array(dataBack);
        return [textLength, textBack === text, dataLength, back.length, back.every((byte, n) => byte === data[n])];
      }, LARGE);
      expect(large).toEqual([LARGE / 2, true, LARGE, LARGE, true]);

      // a request that is on its way when the server ends the session is refused, and nobody can help it. None is: the
      // client sends one POST at a time, so those before this one have been answered
      await page.evaluate(() => globalThis.socket.emitWithAck('echo', 'quiet'));
      server.disconnect(true);
      expect(await page.evaluate(() => globalThis.ended)).toBe('io server disconnect');
      await until(() => live.engine.clientsCount === 0, 'the session ended');

      const again = await connect(transport);
      const left = once(again, 'disconnect');
      const seen = await page.evaluate(() => violations);
      expect(problems).toEqual([]);
      await leave();
      expect(String((await left)[0])).toMatch(GOODBYE);
      expect(seen).toEqual([]);
      // nor of what it sends as it goes
      expect(problems).toEqual([]);
    });

    it.each(ALL)('%s is missed when its tab is closed', async (transport) => {
      const closed = once(await connect(transport), 'disconnect');
      await page.close();
      // where Firefox dropped the goodbye and a cut connection is none, the heartbeat tells
      const mayBeSilent = browserName === 'firefox' && (STREAMING as readonly string[]).includes(transport);
      expect(String((await closed)[0])).toMatch(mayBeSilent ? /^transport close$|^ping timeout$/ : GOODBYE);
    });

    it.each(STREAMING)('%s is missed when its page goes, although a message is on its way', async (transport) => {
      const server = await connect(transport);
      const held = new Promise<void>((resolve) => (onHeld = resolve));
      await page.evaluate(() => void globalThis.socket.emit('count', 1));
      await held;
      const left = once(server, 'disconnect');
      await leave();
      expect(String((await left)[0])).toMatch(GOODBYE);
    });

    it.each(ALL)('%s is missed when another page follows, and is there again when one goes back', async (transport) => {
      const server = await connect(transport, { reconnection: true });
      const left = once(server, 'disconnect');
      await page.goto('about:blank');
      expect(String((await left)[0])).toMatch(GOODBYE);
      // Firefox loads it again
      if (browserName === 'firefox') return;
      const back = once(live.io, 'connection');
      await page.goBack();
      const [again] = await back;
      expect(await page.evaluate(() => globalThis.socket.emitWithAck('echo', 'back'))).toBe('back');
      // as in connect()
      await until(() => again.conn.transport.writable, 'the way down is open');
      expect(await page.evaluate(() => globalThis.ended)).toBe('transport close');
    });
  });
});
