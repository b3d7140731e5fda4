import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { blockingProxy, type TestProxy } from 'nestwire/testing';
import type { Browser, Page } from 'puppeteer-core';
import { startLive, until, type Live } from '../client/support.js';
import { BROWSERS, launchBrowser } from '../support/browsers.js';

/*
 * More tabs of one application than a browser has connections of HTTP/1.1 to a host, which is six, where WebSocket does
 * not get through. What is given to `evaluate` runs in the page.
 */
declare const nestwire: any;
declare const window: any;

const PAGE =
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>Tab</title><script src="/nestwire.js"></script></html>';

const NO_SEAT = 'other tabs hold 4 connections';

/** Milliseconds within which a tab has to be of use; usually it takes a tenth of that. */
const FEW_SECONDS = 10_000;

jest.setTimeout(90_000);

/** A server of the page and of its connections, behind a network that refuses WebSocket; it counts what it holds. */
class Server {
  /** GETs that are open, and may be so for long: streams, and polls that did not ask for a brief answer. */
  held = 0;
  mostHeld = 0;

  private constructor(
    private readonly live: Live,
    private readonly proxy: TestProxy,
  ) {
    const script = readFileSync(resolve('dist/client/nestwire.js'));
    live.http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
      if (pathname === '/socket.io/') this.count(request, searchParams, response);
      else if (pathname === '/') response.setHeader('Content-Type', 'text/html').end(PAGE);
      else if (pathname === '/nestwire.js') response.setHeader('Content-Type', 'text/javascript').end(script);
      else response.writeHead(204).end();
    });
  }

  static async start(): Promise<Server> {
    const live = await startLive();
    return new Server(live, await blockingProxy({ target: live.port, answer: 403 }));
  }

  get url(): string {
    return this.proxy.url;
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.live.close();
  }

  private count({ method }: IncomingMessage, query: URLSearchParams, response: ServerResponse): void {
    const isShort = query.has('wait') || (query.get('transport') === 'polling' && !query.has('sid'));
    if (method !== 'GET' || isShort) return;
    this.mostHeld = Math.max(this.mostHeld, ++this.held);
    response.on('close', () => this.held--);
  }
}

/** What a tab knows of its connection. */
interface Story {
  transport: string;
  attempts: string[];
  disconnects: string[];
}

const echo = (tab: Page): Promise<string> =>
  tab.evaluate((limit) => window.socket.timeout(limit).emitWithAck('echo', 'hello'), FEW_SECONDS);

/** Connects a tab. @returns the milliseconds until its first message was answered. */
function connect(tab: Page, transports?: string[]): Promise<number> {
  return tab.evaluate(
    async (options, limit) => {
      const began = performance.now();
      const socket = nestwire.connect(options);
      window.socket = socket;
      window.disconnects = [];
      socket.on('disconnect', (reason: string) => window.disconnects.push(reason));
      // it is sent when the socket is connected
      await socket.timeout(limit).emitWithAck('echo', 'hello');
      return performance.now() - began;
    },
    transports ? { transports } : {},
    2 * FEW_SECONDS,
  );
}

const storyOf = (tab: Page): Promise<Story> =>
  tab.evaluate(() => {
    const { transport, attempts } = window.socket.io.engine;
    const told = attempts.map(({ transport, role, state, reason }: any) =>
      [transport, role, state, transport === 'eventsource' ? reason : ''].filter(Boolean).join(' '),
    );
    return { transport: transport.name, attempts: told, disconnects: window.disconnects };
  });

describe.each(BROWSERS)('tabs of %s', (name) => {
  let browser: Browser;
  let server: Server;
  let pages: Page[];

  beforeAll(async () => {
    browser = await launchBrowser(name);
  });
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(async () => {
    pages = [];
    server = await Server.start();
  });
  afterEach(async () => {
    await Promise.all(pages.filter((page) => !page.isClosed()).map((page) => page.close()));
    await server.close();
  });

  async function open(prepare = (_page: Page): unknown => undefined): Promise<Page> {
    const page = await browser.newPage();
    pages.push(page);
    await prepare(page);
    await page.goto(server.url, { timeout: FEW_SECONDS });
    return page;
  }

  async function openAll(count: number, prepare?: (page: Page) => unknown): Promise<Page[]> {
    const tabs: Page[] = [];
    while (tabs.length < count) tabs.push(await open(prepare));
    return tabs;
  }

  const stories = (tabs: Page[]): Promise<Story[]> => Promise.all(tabs.map((tab) => storyOf(tab)));

  /** Waits until so many of some tabs use a transport, and all know what they use. */
  async function use(tabs: Page[], transport: string, count: number): Promise<Story[]> {
    for (const deadline = Date.now() + FEW_SECONDS; ; await new Promise((next) => setTimeout(next, 50))) {
      const all = await stories(tabs);
      const isSettled = all.every(({ attempts }) => !attempts.some((line) => line.includes(' trying')));
      if (isSettled && all.filter((story) => story.transport === transport).length === count) return all;
      if (Date.now() > deadline) throw new Error(`not ${count} by ${transport}: ${JSON.stringify(all)}`);
    }
  }

  it.each<[string, string[] | undefined]>([
    ['that found out that WebSocket is refused', undefined],
    ['that do not try it', ['eventsource', 'polling']],
  ])('%s, eight of them, all work, with four streams; those that wait take over', async (_what, transports) => {
    const tabs = await openAll(8);
    const times = await Promise.all(tabs.map((tab) => connect(tab, transports)));
    expect(Math.max(...times)).toBeLessThan(FEW_SECONDS);

    const settled = await use(tabs, 'eventsource', 4);
    await until(() => server.held === 4, 'four streams');
    server.mostHeld = 0;
    for (const { transport, attempts } of settled) {
      const verdict = attempts.filter((line) => line.startsWith('eventsource')).at(-1);
      if (transport === 'polling')
        expect(verdict).toMatch(new RegExp(`^eventsource (first|upgrade) failed ${NO_SEAT}$`)); // prettier-ignore
      else expect(verdict).toMatch(/^eventsource (first|upgrade) open$/);
    }
    expect(await Promise.all(tabs.map(echo))).toEqual(Array(8).fill('hello'));
    // the page itself is still to be had, and so is everything else
    const ninth = await open();
    expect(await ninth.title()).toBe('Tab');
    expect(await ninth.evaluate(async () => (await window.fetch('/anything')).status)).toBe(204);
    expect([server.held, server.mostHeld]).toEqual([4, 0]);

    const holders = tabs.filter((_tab, n) => settled[n]!.transport === 'eventsource');
    const waiting = tabs.filter((tab) => !holders.includes(tab));
    const before = (await stories(waiting)).map(({ disconnects }) => disconnects.length);
    await Promise.all(holders.map((tab) => tab.close()));
    for (const { attempts } of await use(waiting, 'eventsource', 4)) {
      expect(attempts.at(-1)).toBe('eventsource upgrade open');
    }
    // without a reconnection
    expect((await stories(waiting)).map(({ disconnects }) => disconnects.length)).toEqual(before);
    expect(await Promise.all(waiting.map(echo))).toEqual(Array(4).fill('hello'));
    await until(() => server.held === 4, 'four streams again');
  });

  it('that can do nothing but poll, eight of them, all work, with four polls parked', async () => {
    const tabs = await openAll(8);
    const times = await Promise.all(tabs.map((tab) => connect(tab, ['polling'])));
    expect(Math.max(...times)).toBeLessThan(FEW_SECONDS);
    await until(() => server.held === 4, 'four polls are parked');
    server.mostHeld = 0;
    expect(await Promise.all(tabs.map(echo))).toEqual(Array(8).fill('hello'));
    expect(await (await open()).title()).toBe('Tab');
    await until(() => server.held === 4, 'four polls are parked again');
    expect(server.mostHeld).toBeLessThanOrEqual(4);
    for (const tab of tabs.slice(0, 4)) await tab.close();
    expect(await Promise.all(tabs.slice(4).map(echo))).toEqual(Array(4).fill('hello'));
    await until(() => server.held === 4, 'those that are left park theirs');
  });

  it('that do not count themselves hang: so the other cases show something', async () => {
    const tabs = await openAll(7, (page) =>
      page.evaluateOnNewDocument(() => {
        delete window.BroadcastChannel;
      }),
    );
    for (const tab of tabs.slice(0, 5)) await connect(tab, ['eventsource', 'polling']);
    const sixth = connect(tabs[5]!, ['eventsource', 'polling']).catch(() => 0);
    await until(() => server.held === 6, 'six streams');
    let answered = false;
    const answer = tabs[6]!
      .evaluate(async () => (await window.fetch('/anything')).status)
      .then((status) => {
        answered = true;
        return status;
      });
    // a second is long for what takes a few milliseconds
    await tabs[6]!.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1000)));
    expect(answered).toBe(false);
    await tabs[0]!.close();
    expect(await answer).toBe(204);
    await sixth;
  });
});
