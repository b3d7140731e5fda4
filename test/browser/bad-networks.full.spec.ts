import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { blockingProxy, bufferingProxy, cuttingProxy, type TestProxy } from 'nestwire/testing';
import type { Browser, Page } from 'puppeteer-core';
import type { Socket as ServerSocket } from 'socket.io';
import { startLive, STREAMING, until, type Live } from '../client/support.js';
import { BROWSERS, launchBrowser } from '../support/browsers.js';
import { openPage, pageHandler, serverSources } from './support/page.js';

/*
 * Bad networks between a page in a real browser and the server. Pages come through them as well. What is given to `evaluate`
 * runs in the page. Of console errors this is not about: a browser writes down what a network refuses.
 */
declare const nestwire: any;
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

const COUNT = 5000;
const all = Array.from({ length: COUNT }, (_, n) => n);

/** Numbers of one burst, and milliseconds between two: the network has to have time for what it does. */
const BURST = 50;
const PAUSE = 20;

let live: Live;
let proxies: TestProxy[] = [];
let page: Page;

beforeAll(async () => {
  live = await startLive();
  const handler = pageHandler(() => serverSources());
  live.http.on('request', (request, response) => {
    if (!request.url!.startsWith('/socket.io')) handler(request, response);
  });
});

afterEach(async () => {
  // a page that goes says goodbye; a tab that is closed does so too, but Firefox may drop it
  await page.goto('about:blank');
  await page.close();
  // the server waits ten seconds for a stream that was passed over
  await until(() => live.engine.clientsCount === 0, 'every session ended', 15_000);
  for (const proxy of proxies) await proxy.close();
  proxies = [];
});

afterAll(async () => {
  await live?.close();
});

/** A network, and the page through it. */
async function goThrough<P extends TestProxy>(browser: Browser, proxy: P): Promise<P> {
  proxies.unshift(proxy);
  ({ page } = await openPage(browser, proxy.url));
  return proxy;
}

/** Connects the page. @returns the server's side. */
async function connect(transports?: readonly string[]): Promise<ServerSocket> {
  const accepted = new Promise<ServerSocket>((resolve) => live.io.once('connection', resolve));
  await page.evaluate(async (transports: readonly string[] | undefined) => {
    globalThis.heard = [];
    const onFallback = ({ transport }: { transport: string }) => globalThis.heard.push(transport);
    const socket = nestwire.connect({ forceNew: true, onFallback, ...(transports && { transports }) });
    globalThis.socket = socket;
    globalThis.disconnects = [];
    socket.on('disconnect', (reason: string) => globalThis.disconnects.push(reason));
    await new Promise((resolve) => socket.on('connect', resolve));
  }, transports);
  return accepted;
}

/** The attempts as `transport role state`, and the transport in use. */
const story = (): Promise<string[]> =>
  page.evaluate(() => {
    const { attempts, transport } = globalThis.socket.io.engine;
    return [...attempts.map((attempt: any) => `${attempt.transport} ${attempt.role} ${attempt.state}`), transport.name];
  });

/** Waits until nothing is being tried any more. */
const settled = (): Promise<unknown> =>
  page.waitForFunction(() =>
    globalThis.socket.io.engine.attempts.every(({ state }: { state: string }) => state !== 'trying'),
  );

const echo = (): Promise<unknown> =>
  page.evaluate(async () => {
    const bytes = await globalThis.socket.emitWithAck('echo', Uint8Array.of(1, 2, 3));
    return [await globalThis.socket.emitWithAck('echo', 'still here'), bytes.byteLength];
  });

describe.each(BROWSERS)('in %s', (name) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchBrowser(name);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it.each(
    STREAMING.flatMap((transport) => [
      { transport, what: 'long responses', options: { responsesAfter: 400 } },
      { transport, what: 'long responses and every third POST', options: { responsesAfter: 400, everyPost: 3 } },
    ]),
  )('$transport loses nothing through a proxy that cuts $what', async ({ transport, options }) => {
    const proxy = await goThrough(browser, await cuttingProxy({ target: live.port, ...options }));
    const server = await connect([transport]);
    const up: number[] = [];
    server.on('n', (n: number) => up.push(n));
    await page.evaluate((count: number) => {
      globalThis.down = new Promise((resolve) => {
        const down: number[] = [];
        globalThis.socket.on('n', (n: number) => {
          if (down.push(n) === count) resolve(down);
        });
      });
    }, COUNT);
    const upSent = page.evaluate(
      async (count: number, burst: number, pause: number) => {
        for (let n = 0; n < count; n++) {
          globalThis.socket.emit('n', n);
          if (n % burst === burst - 1) await new Promise((resolve) => setTimeout(resolve, pause));
        }
      },
      COUNT,
      BURST,
      PAUSE,
    );
    for (const n of all) {
      server.emit('n', n);
      if (n % BURST === BURST - 1) await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    await upSent;
    expect(await page.evaluate(() => globalThis.down)).toEqual(all);
    // one more each way shows that all came up, and nothing twice
    expect(await echo()).toEqual(['still here', 3]);
    expect(up).toEqual(all);
    expect(await page.evaluate(() => globalThis.disconnects)).toEqual([]);
    expect(proxy.cuts.responses).toBeGreaterThan(1);
    expect(proxy.cuts.posts > 1).toBe('everyPost' in options);
    expect(await story()).toEqual([`${transport} first open`, transport]);
  });

  it.each([
    { what: 'swallows upgrades', answer: 'nothing', reason: /^nothing came in \d+ ms$/ },
    { what: 'cuts them', answer: 'reset', reason: /^websocket error$/ },
    { what: 'refuses them with 403', answer: 403, reason: /^websocket error$/ },
    { what: 'refuses them with 502', answer: 502, reason: /^websocket error$/ },
  ] as const)('a proxy that $what leads to a stream, for the whole tab', async ({ answer, reason }) => {
    await goThrough(browser, await blockingProxy({ target: live.port, answer }));
    await connect();
    await settled();
    expect(await story()).toEqual([
      'websocket first failed',
      'polling first open',
      'eventsource upgrade open',
      'eventsource',
    ]);
    expect(await page.evaluate(() => globalThis.socket.io.engine.attempts[0].reason)).toMatch(reason);
    expect(await page.evaluate(() => globalThis.heard)).toEqual(['websocket']);
    expect(await echo()).toEqual(['still here', 3]);
    expect(live.engine.clientsCount).toBe(1);

    // the next page of the tab knows
    await page.reload();
    await connect();
    await settled();
    expect(await story()).toEqual(['eventsource first open', 'eventsource']);
    expect(await echo()).toEqual(['still here', 3]);
  });

  it('a proxy that cuts a WebSocket after it was opened leads to a stream', async () => {
    await goThrough(browser, await cuttingProxy({ target: live.port, upgradesAfter: 0 }));
    await connect();
    await page.waitForFunction(() => globalThis.socket.io.engine?.transport.name === 'eventsource');
    await settled();
    expect((await story()).at(-1)).toBe('eventsource');
    expect(await echo()).toEqual(['still here', 3]);
  });

  it.each([
    { what: 'headers and bodies', passesHeaders: false },
    { what: 'bodies', passesHeaders: true },
  ])('a proxy that holds $what back leads to polling', async ({ passesHeaders }) => {
    await goThrough(browser, await bufferingProxy({ target: live.port, passesHeaders }));
    await connect();
    await page.waitForFunction(() => globalThis.heard.length === 2);
    await settled();
    expect(await story()).toEqual([
      'websocket first failed',
      'polling first open',
      'eventsource upgrade failed',
      'polling',
    ]);
    expect(await page.evaluate(() => globalThis.socket.io.engine.attempts[2].reason)).toMatch(/^no answer in \d+ ms$/);
    expect(await page.evaluate(() => globalThis.heard)).toEqual(['websocket', 'eventsource']);
    expect(await echo()).toEqual(['still here', 3]);
    expect(live.engine.clientsCount).toBe(1);
  });

  it('a proxy that lets WebSocket alone pass is not noticed', async () => {
    await goThrough(browser, await bufferingProxy({ target: live.port, upgrades: 'pass' }));
    await connect();
    expect(await story()).toEqual(['websocket first open', 'websocket']);
    expect(await echo()).toEqual(['still here', 3]);
  });

  it('two streams are passed over, one after the other', async () => {
    const buffering = await bufferingProxy({ target: live.port });
    proxies.push(buffering);
    await goThrough(browser, await blockingProxy({ target: buffering.port }));
    await connect(['websocket', 'multipart', 'eventsource', 'polling']);
    await page.waitForFunction(() => globalThis.heard.length === 3);
    await settled();
    expect(await story()).toEqual([
      'websocket first failed',
      'polling first open',
      'eventsource upgrade failed',
      'multipart upgrade failed',
      'polling',
    ]);
    expect(await page.evaluate(() => globalThis.heard)).toEqual(['websocket', 'multipart', 'eventsource']);
    expect(await echo()).toEqual(['still here', 3]);
  });

  it.each(STREAMING)('%s is passed over where it is tried first', async (transport) => {
    await goThrough(browser, await bufferingProxy({ target: live.port }));
    await connect([transport, 'polling']);
    await settled();
    expect(await story()).toEqual([`${transport} first failed`, 'polling first open', 'polling']);
    expect(await echo()).toEqual(['still here', 3]);
  });
});
