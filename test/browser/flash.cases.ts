import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Server as HttpServer } from 'node:http';
import type { Browser, Page } from 'puppeteer-core';
import type { Socket } from 'socket.io';
import { cleanUp, nestwire, startApp } from '../nest/support.js';
import { launchBrowser, type BrowserName } from '../support/browsers.js';
import { until } from '../support/wire-engine.js';
import { servePage, startTunnel } from './support/flash.js';
import { openPage } from './support/page.js';

/*
 * The Flash socket from end to end, with what is there of Flash today: our movie in Ruffle, whose TCP is a WebSocket to a
 * tunnel. It shows that the movie, the framing in the page and the server go together. That a real player gets a policy file
 * is shown by `test/engine/flash-policy.spec.ts`, for Ruffle asks for none.
 */

/** What is given to pages runs there. */
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

jest.setTimeout(60_000);

const COUNT = 200;
const NASTY = 'a\r\nb\0c\u2028d\u{1f600}e\x1e</script>"\\';

const clients: Socket[] = [];

@WebSocketGateway({ transports: ['flashsocket'] as never })
class EchoGateway {
  handleConnection(client: Socket): void {
    clients.push(client);
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): unknown {
    return data;
  }

  @SubscribeMessage('count')
  count(@MessageBody() n: number, @ConnectedSocket() client: Socket): void {
    client.emit('count', n);
  }
}

export function describeFlash(browserName: BrowserName): void {
  describe(`Flash socket in ${browserName}`, () => {
    let app: INestApplication;
    let tunnel: { url: string; close(): Promise<void> };
    let browser: Browser;
    let page: Page;
    let problems: string[];

    beforeAll(async () => {
      let port = 0;
      tunnel = await startTunnel(() => port);
      const started = await startApp({ providers: [EchoGateway], adapter: nestwire() });
      app = started.app;
      port = Number(new URL(started.url).port);
      await servePage(app.getHttpServer() as HttpServer, port, tunnel.url);
      browser = await launchBrowser(browserName);
      ({ page, problems } = await openPage(browser, started.url));
    });

    afterAll(async () => {
      await browser?.close();
      await tunnel?.close();
      await cleanUp();
    });

    /** Connects the page. @returns the server's side. */
    async function connect(): Promise<Socket> {
      const before = clients.length;
      const name = await page.evaluate(
        () =>
          new Promise((resolve, reject) => {
            const options = { transports: [globalThis.FlashSocketTransport], reconnection: false, forceNew: true };
            const socket = (globalThis.socket = globalThis.io(options));
            globalThis.ended = new Promise((tell) => socket.on('disconnect', tell));
            socket.on('connect', () => resolve(socket.io.engine.transport.name));
            socket.on('connect_error', (error: any) => reject(new Error(`${error.message} ${error.description}`)));
          }),
      );
      expect(name).toBe('flashsocket');
      expect(clients).toHaveLength(before + 1);
      return clients.at(-1)!;
    }

    it('carries text and binary data to a gateway and back', async () => {
      const server = await connect();
      expect(server.conn.transport.name).toBe('flashsocket');
      expect(await page.evaluate((text: string) => globalThis.socket.emitWithAck('echo', text), NASTY)).toBe(NASTY);
      const bytes = await page.evaluate(async () => {
        const sent = Uint8Array.from({ length: 70_000 }, (_, n) => n * 7);
        const back = new Uint8Array(await globalThis.socket.emitWithAck('echo', sent));
        return [back.length, back.every((byte, n) => byte === sent[n])];
      });
      expect(bytes).toEqual([70_000, true]);
    });

    it(`keeps ${COUNT} messages in order`, async () => {
      await connect();
      const got = await page.evaluate(
        (count: number) =>
          new Promise((resolve) => {
            const all: number[] = [];
            globalThis.socket.on('count', (n: number) => {
              if (all.push(n) === count) resolve(all);
            });
            for (let n = 0; n < count; n++) globalThis.socket.emit('count', n);
          }),
        COUNT,
      );
      expect(got).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    });

    it('hears of the end on both sides', async () => {
      const first = await connect();
      const heard = new Promise((resolve) => first.on('disconnect', resolve));
      await page.evaluate(() => globalThis.socket.close());
      expect(await heard).toBe('client namespace disconnect');

      const second = await connect();
      second.disconnect(true);
      expect(await page.evaluate(() => globalThis.ended)).toBe('io server disconnect');
    });

    it('ends when more waits for a page that sleeps than the movie keeps', async () => {
      const server = await connect();
      const left = new Promise<string>((resolve) => server.on('disconnect', resolve));
      await page.evaluate(() => {
        // earlier tests may have left theirs
        const movie = [...globalThis.document.querySelectorAll('ruffle-player')].at(-1);
        globalThis.take = movie.nestwireTake.bind(movie);
        globalThis.give = (value: () => string) =>
          Object.defineProperty(movie, 'nestwireTake', { value, configurable: true });
        globalThis.give(() => '1');
      });
      // what the server keeps is bounded as well
      for (let sent = 0; server.connected && sent < 100; sent++) {
        await until(() => server.conn.transport.writable || !server.connected);
        server.emit('flood', 'x'.repeat(1_000_000));
      }
      // nobody else has closed it, for what came before is there to be taken
      expect(await left).toMatch(/^transport (close|error)$/);
      expect(await page.evaluate(() => globalThis.take())).toMatch(/^1[\w+/]{65536}$/);
      // taking it all would need a minute in Ruffle
      const ended = await page.evaluate(() => {
        globalThis.give(() => '3and this is the end');
        return globalThis.ended;
      });
      expect(ended).toBe('transport close');
    });

    it('says goodbye when its page goes', async () => {
      const server = await connect();
      const heard = new Promise((resolve) => server.on('disconnect', resolve));
      const seen = await page.evaluate(() => globalThis.violations);
      await page.goto('about:blank');
      expect(await heard).toMatch(/^transport (close|error)$/);
      expect(seen).toEqual([]);
      expect(problems.filter((problem) => !/^console (info|log|debug|warn)/.test(problem))).toEqual([]);
    });
  });
}
