import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Browser, Page } from 'puppeteer-core';
import { until } from '../client/support.js';
import { BROWSERS, launchBrowser } from '../support/browsers.js';
import { connect, echo, FEW_SECONDS, Server, storyOf, Tabs, use } from './support/tabs.js';

/*
 * Tabs behind a network that answers no WebSocket. Firefox keeps the connection of each that was opened, though it was
 * closed, and it has six to a host for all that is not WebSocket. What is given to `evaluate` runs in the page.
 */
declare const window: any;

jest.setTimeout(90_000);

describe.each(BROWSERS)('tabs of %s, where WebSocket is not answered', (name) => {
  let browser: Browser;
  let server: Server;
  let all: Tabs;

  beforeAll(async () => {
    browser = await launchBrowser(name);
  });
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(async () => {
    server = await Server.start('nothing');
    all = new Tabs(browser, server);
  });
  afterEach(async () => {
    await all.close();
    await server.close();
  });

  /** Nobody has to wait for a connection: all tabs talk, and pages and everything else are still to be had. */
  async function worksFor(tabs: Page[]): Promise<void> {
    expect(await Promise.all(tabs.map(echo))).toEqual(tabs.map(() => 'hello'));
    const next = await all.open();
    expect(await next.title()).toBe('Tab');
    expect(await next.evaluate(async () => (await window.fetch('/anything')).status)).toBe(204);
  }

  it('eight that are opened at once all work, and one WebSocket is opened; later ones know', async () => {
    const tabs = await all.openAll(8);
    const times = await Promise.all(tabs.map((tab) => connect(tab)));
    expect(Math.max(...times)).toBeLessThan(FEW_SECONDS);
    // three streams: one connection of the four may be lost
    await use(tabs, 'eventsource', 3);
    await until(() => server.held === 3, 'three streams');
    await worksFor(tabs);

    const later = await all.openAll(2);
    await Promise.all(later.map((tab) => connect(tab)));
    for (const { attempts } of await Promise.all(later.map(storyOf))) {
      expect(attempts.filter((line) => line.startsWith('websocket'))).toEqual([]);
    }
    await worksFor([...tabs, ...later]);
    // Chromium tells tabs too late whose turn it is, when they begin in one moment; but it gives the connections back
    if (name === 'firefox') expect(server.webSockets).toBe(1);
  });

  it('eight, of which one tries it again when its time is over, all work', async () => {
    const tabs = await all.openAll(8);
    await tabs[0]!.evaluate(() => {
      const websocket = { times: 1, until: Date.now() + 5000, isSilent: true };
      const known = { roundTrip: 5, failures: { websocket }, turns: {} };
      window.localStorage.setItem(`nestwire:${window.location.host}`, JSON.stringify(known));
    });
    await Promise.all(tabs.map((tab) => connect(tab)));
    await use(tabs, 'eventsource', 3);
    expect(server.webSockets).toBe(0);
    await until(() => server.webSockets > 0, 'it is tried again');
    await use(tabs, 'eventsource', 2);
    await worksFor(tabs);
    if (name === 'firefox') expect(server.webSockets).toBe(1);
  });
});
