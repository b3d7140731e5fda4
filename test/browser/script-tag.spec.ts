import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser, Page } from 'puppeteer-core';
import type { Server } from 'socket.io';
import { closeSocketIoServer, createSocketIoServer } from '../../lib/socket-io/bind-socket-io.js';
import { BROWSERS, launchBrowser } from '../support/browsers.js';
import { openPage, pageHandler, serverSources, startPage } from './support/page.js';

/*
 * The client by a script tag, as the server itself serves it. What is given to `evaluate` runs in the page.
 */
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

jest.setTimeout(60_000);

let http: HttpServer;
let io: Server;
let server: string;
let elsewhere: { url: string; close(): Promise<void> };
let mixed: { url: string; close(): Promise<void> };

beforeAll(async () => {
  http = createServer((request, response) => samePage(request, response));
  const samePage = pageHandler(() => serverSources(), { scripts: ['/socket.io/nestwire.js'] });
  io = createSocketIoServer(http, {
    transports: ['websocket', 'eventsource', 'polling'],
    cors: { origin: /./, credentials: true },
  });
  io.on('connection', (socket) => {
    socket.on('echo', (text: string, ack: (text: string) => void) => ack(text));
  });
  await once(http.listen(0, '127.0.0.1'), 'listening');
  server = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const scriptSources = `'self' ${server}`;
  const ours = `${server}/socket.io/nestwire.js`;
  elsewhere = await startPage(() => serverSources(server), { scripts: [ours], scriptSources });
  // the page's io is that of the stock file then
  const scripts = [ours, `${server}/socket.io/socket.io.min.js`];
  mixed = await startPage(() => serverSources(server), { scripts, scriptSources });
});

afterAll(async () => {
  await elsewhere?.close();
  await mixed?.close();
  await closeSocketIoServer(io);
});

describe('nestwire.js', () => {
  it('is served with its source map, compressed, and once', async () => {
    const answer = await fetch(`${server}/socket.io/nestwire.js`, { headers: { 'accept-encoding': 'gzip' } });
    expect(answer.headers.get('content-type')).toBe('application/javascript; charset=utf-8');
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    const code = await answer.text();
    expect(code).toContain('//# sourceMappingURL=nestwire.js.map');
    const map = (await (await fetch(`${server}/socket.io/nestwire.js.map`)).json()) as { sources: string[] };
    expect(map.sources).toEqual(expect.arrayContaining(['connect.js', expect.stringContaining('engine.io-client')]));
    const again = await fetch(`${server}/socket.io/nestwire.js`, {
      headers: { 'if-none-match': answer.headers.get('etag')! },
    });
    expect(again.status).toBe(304);
  });
});

describe.each(BROWSERS)('nestwire.js in %s', (name) => {
  let browser: Browser;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    browser = await launchBrowser(name);
  });

  afterEach(async () => {
    expect(await page.evaluate(() => globalThis.violations)).toEqual([]);
    expect(problems).toEqual([]);
    await page.close();
  });

  afterAll(async () => {
    await browser?.close();
  });

  /** Connects by what a function of the page makes of the address. @returns the transport, and an answer. */
  const connectBy = (make: string): Promise<[string, string]> =>
    page.evaluate(
      async (make: string, url: string) => {
        const [object, ...path] = make.split('.');
        const maker = path.reduce((value, member) => value[member], globalThis[object!]);
        const socket = maker(url, { withCredentials: true });
        await new Promise((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject));
        const answer = await socket.emitWithAck('echo', 'hello');
        if (socket.io.engine.transport.name === 'polling') {
          await new Promise((resolve) => socket.io.engine.once('upgrade', resolve));
        }
        const { name } = socket.io.engine.transport;
        socket.disconnect();
        return [name, answer] as [string, string];
      },
      make,
      server,
    );

  describe.each(['the server', 'another origin'])('on a page of %s', (where) => {
    it('sets two names, and nothing else', async () => {
      ({ page, problems } = await openPage(browser, where === 'the server' ? server : elsewhere.url));
      const { added, exported } = await page.evaluate(() => ({
        added: Object.getOwnPropertyNames(globalThis).filter((name) => !globalThis.before.has(name)),
        exported: Object.keys(globalThis.nestwire),
      }));
      expect(added.toSorted()).toEqual(['io', 'nestwire']);
      expect(exported.toSorted()).toEqual(['EventSourceTransport', 'MultipartTransport', 'connect', 'transports']);
    });

    it.each(['nestwire.connect', 'io'])('connects by %s', async (make) => {
      ({ page, problems } = await openPage(browser, where === 'the server' ? server : elsewhere.url));
      expect(await connectBy(make)).toEqual(['websocket', 'hello']);
    });
  });

  it('has the io that the stock file has', async () => {
    const members = () => page.evaluate(() => [typeof globalThis.io, Object.keys(globalThis.io).sort()]);
    ({ page, problems } = await openPage(browser, mixed.url));
    const stock = await members();
    await page.goto(server);
    expect(await members()).toEqual(stock);
  });

  it('gives its transports to the io of another file', async () => {
    ({ page, problems } = await openPage(browser, mixed.url));
    const story = await page.evaluate(
      async (url: string, names: string[]) => {
        const story: string[] = [];
        for (const name of names) {
          const transports = globalThis.nestwire.transports({ url, transports: [name, 'polling'] });
          const socket = globalThis.io(url, { transports, forceNew: true, upgrade: false });
          await new Promise((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject));
          story.push(`${socket.io.engine.transport.name} ${await socket.emitWithAck('echo', name)}`);
          socket.disconnect();
        }
        return story;
      },
      server,
      ['websocket', 'eventsource', 'polling'],
    );
    expect(story).toEqual(['websocket websocket', 'eventsource eventsource', 'polling polling']);
  });
});
