import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Browser } from 'puppeteer-core';
import { until } from '../client/support.js';
import { BROWSERS, launchBrowser } from '../support/browsers.js';
import { connect, echo, FEW_SECONDS, Server, storyOf, Tabs, use } from './support/tabs.js';

/*
 * More tabs of one application than a browser has connections of HTTP/1.1 to a host, which is six, where WebSocket does
 * not get through. What is given to `evaluate` runs in the page.
 */
declare const window: any;

const NO_SEAT = 'other tabs hold the connections';

jest.setTimeout(90_000);

describe.each(BROWSERS)('tabs of %s', (name) => {
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
    server = await Server.start(403);
    all = new Tabs(browser, server);
  });
  afterEach(async () => {
    await all.close();
    await server.close();
  });

  it.each<[string, string[] | undefined]>([
    ['that found out that WebSocket is refused', undefined],
    ['that do not try it', ['eventsource', 'polling']],
  ])('%s, eight of them, all work, with four streams; those that wait take over', async (_what, transports) => {
    const tabs = await all.openAll(8);
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
    const ninth = await all.open();
    expect(await ninth.title()).toBe('Tab');
    expect(await ninth.evaluate(async () => (await window.fetch('/anything')).status)).toBe(204);
    expect([server.held, server.mostHeld]).toEqual([4, 0]);

    const holders = tabs.filter((_tab, n) => settled[n]!.transport === 'eventsource');
    const waiting = tabs.filter((tab) => !holders.includes(tab));
    const before = (await Promise.all(waiting.map(storyOf))).map(({ disconnects }) => disconnects.length);
    await Promise.all(holders.map((tab) => tab.close()));
    for (const { attempts } of await use(waiting, 'eventsource', 4)) {
      expect(attempts.at(-1)).toBe('eventsource upgrade open');
    }
    // without a reconnection
    expect((await Promise.all(waiting.map(storyOf))).map(({ disconnects }) => disconnects.length)).toEqual(before);
    expect(await Promise.all(waiting.map(echo))).toEqual(Array(4).fill('hello'));
    await until(() => server.held === 4, 'four streams again');
  });

  it('that can do nothing but poll, eight of them, all work, with four polls parked', async () => {
    const tabs = await all.openAll(8);
    const times = await Promise.all(tabs.map((tab) => connect(tab, ['polling'])));
    expect(Math.max(...times)).toBeLessThan(FEW_SECONDS);
    await until(() => server.held === 4, 'four polls are parked');
    server.mostHeld = 0;
    expect(await Promise.all(tabs.map(echo))).toEqual(Array(8).fill('hello'));
    expect(await (await all.open()).title()).toBe('Tab');
    await until(() => server.held === 4, 'four polls are parked again');
    expect(server.mostHeld).toBeLessThanOrEqual(4);
    for (const tab of tabs.slice(0, 4)) await tab.close();
    expect(await Promise.all(tabs.slice(4).map(echo))).toEqual(Array(4).fill('hello'));
    await until(() => server.held === 4, 'those that are left park theirs');
  });

  it('that do not count themselves hang: so the other cases show something', async () => {
    const tabs = await all.openAll(7, (page) =>
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
