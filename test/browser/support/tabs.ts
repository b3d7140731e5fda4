import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { blockingProxy, type BlockingProxyOptions, type TestProxy } from 'nestwire/testing';
import type { Browser, Page } from 'puppeteer-core';
import { startLive, type Live } from '../../client/support.js';

/** What is given to `evaluate` runs in the page. */
declare const nestwire: any;
declare const window: any;

const PAGE =
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>Tab</title><script src="/nestwire.js"></script></html>';

/** Milliseconds within which a tab has to be of use; usually it takes a tenth of that. */
export const FEW_SECONDS = 10_000;

/** A server of the page and of its connections, behind a network that lets no WebSocket through; it counts what it holds. */
export class Server {
  /** GETs that are open, and may be so for long: streams, and polls that did not ask for a brief answer. */
  held = 0;
  mostHeld = 0;
  /** WebSockets that were opened. */
  webSockets = 0;
  private proxy!: TestProxy;

  private constructor(private readonly live: Live) {
    const script = readFileSync(resolve('dist/client/nestwire.js'));
    live.http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
      if (pathname === '/socket.io/') this.count(request, searchParams, response);
      else if (pathname === '/') response.setHeader('Content-Type', 'text/html').end(PAGE);
      else if (pathname === '/nestwire.js') response.setHeader('Content-Type', 'text/javascript').end(script);
      else response.writeHead(204).end();
    });
  }

  /** @param answer to upgrades; see `blockingProxy`. */
  static async start(answer: BlockingProxyOptions['answer']): Promise<Server> {
    const server = new Server(await startLive());
    const blocks: BlockingProxyOptions['blocks'] = ({ headers }) => {
      if (headers.upgrade === undefined) return false;
      server.webSockets++;
      return true;
    };
    server.proxy = await blockingProxy({ target: server.live.port, answer, blocks });
    return server;
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
export interface Story {
  transport: string;
  attempts: string[];
  disconnects: string[];
}

/** A message and its answer. */
export const echo = (tab: Page): Promise<string> =>
  tab.evaluate((limit) => window.socket.timeout(limit).emitWithAck('echo', 'hello'), FEW_SECONDS);

/** Connects a tab. @returns the milliseconds until its first message was answered. */
export function connect(tab: Page, transports?: string[]): Promise<number> {
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

export const storyOf = (tab: Page): Promise<Story> =>
  tab.evaluate(() => {
    const { transport, attempts } = window.socket.io.engine;
    const told = attempts.map(({ transport, role, state, reason }: any) =>
      [transport, role, state, transport === 'eventsource' ? reason : ''].filter(Boolean).join(' '),
    );
    return { transport: transport.name, attempts: told, disconnects: window.disconnects };
  });

/** Tabs of a browser with the page of a server. */
export class Tabs {
  private readonly pages: Page[] = [];

  constructor(
    private readonly browser: Browser,
    private readonly server: Server,
  ) {}

  /** @param prepare what is done before the page is loaded. */
  async open(prepare = (_page: Page): unknown => undefined): Promise<Page> {
    const page = await this.browser.newPage();
    this.pages.push(page);
    await prepare(page);
    await page.goto(this.server.url, { timeout: FEW_SECONDS });
    return page;
  }

  async openAll(count: number, prepare?: (page: Page) => unknown): Promise<Page[]> {
    const tabs: Page[] = [];
    while (tabs.length < count) tabs.push(await this.open(prepare));
    return tabs;
  }

  async close(): Promise<void> {
    await Promise.all(this.pages.filter((page) => !page.isClosed()).map((page) => page.close()));
  }
}

/** Waits until so many of some tabs use a transport, and all know what they use. */
export async function use(tabs: Page[], transport: string, count: number): Promise<Story[]> {
  for (const deadline = Date.now() + FEW_SECONDS; ; await new Promise((next) => setTimeout(next, 50))) {
    const all = await Promise.all(tabs.map((tab) => storyOf(tab)));
    const isSettled = all.every(({ attempts }) => !attempts.some((line) => line.includes(' trying')));
    if (isSettled && all.filter((story) => story.transport === transport).length === count) return all;
    if (Date.now() > deadline) throw new Error(`not ${count} by ${transport}: ${JSON.stringify(all)}`);
  }
}
