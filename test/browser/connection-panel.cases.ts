import { describe, expect, it, jest } from '@jest/globals';
import { blockingProxy } from 'nestwire/testing';
import type { Page } from 'puppeteer-core';
import type { BrowserName } from '../support/browsers.js';
import { allow, draw, ownFaults, say, see, until, visitIn, Wire } from './support/board.js';

/** The connection panel of the main sample. Functions given to `evaluate` run in the page, where these exist. */
declare const document: any;
declare const location: any;

jest.setTimeout(90_000);

const TRANSPORTS = ['websocket', 'eventsource', 'multipart', 'polling'];

const using = (page: Page, transport: string) =>
  page.waitForSelector(`#in-use[data-transport=${transport}]`, { timeout: 20_000 });

/** What each row says, by the name of its transport; `[x]` is allowed. */
const rows = (page: Page): Promise<Record<string, string>> =>
  page.$$eval('#transports li', (items: any[]) =>
    Object.fromEntries(
      items.map((item) => [
        item.dataset.transport,
        `${item.querySelector('input').checked ? '[x]' : '[ ]'} ${item.querySelector('.why').textContent}`,
      ]),
    ),
  );

/** Waits until a row says something. */
const says = (page: Page, transport: string, words: RegExp) =>
  until(
    () => rows(page),
    (all) => words.test(all[transport]!),
    `${transport} ${words}`,
  );

/** The attempts of each connection, newest first, without times. */
const tried = (page: Page): Promise<{ cause: string; attempts: string[] }[]> =>
  page.$$eval('#attempts > li', (connections: any[]) =>
    connections.map((connection) => ({
      cause: connection.querySelector('.cause').firstChild.textContent,
      attempts: [...connection.querySelectorAll('.attempt')].map((attempt: any) =>
        attempt.querySelector('p').textContent.trim(),
      ),
    })),
  );

interface Graph {
  lines: [transport: string, points: number][];
  marks: string[];
  gaps: number;
}

/** The graph: the transports of its lines and how many points they have, the labels of its marks, its gaps. */
const graph = (page: Page): Promise<Graph> =>
  page.$eval('#rtt-chart', (chart: any): Graph => ({
    lines: [...chart.querySelectorAll('.run')].map((run: any): [string, number] => [
      run.dataset.transport,
      run.querySelector('.line').getAttribute('d').split(',').length - 1,
    ]),
    marks: [...chart.querySelectorAll('.mark text')].map((label: any) => label.textContent),
    gaps: chart.querySelectorAll('.gap').length,
  }));

/** Files of the client that the page has loaded. */
const clients = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .map(({ name }) => /\/nestwire[^?]*/.exec(name)?.[0] ?? '')
      .filter((file) => file !== ''),
  );

const text = (page: Page, selector: string): Promise<string> =>
  page.$eval(selector, (element: any) => element.textContent.trim());

const hasInk = (page: Page): Promise<boolean> =>
  page.$eval('#canvas', (canvas: any) =>
    canvas
      .getContext('2d')
      .getImageData(0, 0, canvas.width, canvas.height)
      .data.some((value: number) => value > 0),
  );

/** @param name in which it is tried. */
export function describeConnectionPanel(name: BrowserName): void {
  describe(`The connection panel in ${name}`, () => {
    const visit = visitIn(name);
    const { open, join } = visit;

    const transportOf = async (person: string): Promise<string | undefined> => {
      const { members } = (await (await fetch(`${visit.board.url}/state`)).json()) as {
        members: { name: string; transport: string }[];
      };
      return members.find((member) => member.name === person)?.transport;
    };

    it('lets one forbid a transport, keeps the board, and keeps the choice over a reload', async () => {
      const ada = await join('Ada');
      await using(ada, 'websocket');
      await draw(ada, [
        [200, 300],
        [500, 400],
      ]);
      expect(await rows(ada)).toEqual({
        websocket: expect.stringMatching(/^\[x\] in use · opened in \d+ ms$/),
        eventsource: '[x] not needed',
        multipart: '[x] not needed',
        polling: expect.stringMatching(/^\[x\] (in reserve, )?not needed$/),
      });

      await ada.click('label[for=allow-websocket]');
      await using(ada, 'eventsource');
      expect(await text(ada, '[role=status]#transport')).toBe('EventSource');
      expect(await rows(ada)).toMatchObject({
        websocket: '[ ] forbidden here',
        eventsource: expect.stringMatching(/^\[x\] in use · opened in \d+ ms$/),
        multipart: '[x] not needed',
      });
      await until(
        () => transportOf('Ada'),
        (transport) => transport === 'eventsource',
        'Ada by eventsource, says the server',
      );
      expect(await hasInk(ada)).toBe(true);
      expect(await ada.evaluate(() => location.search)).toBe('?transports=eventsource+multipart+polling');

      await ada.reload();
      await using(ada, 'eventsource');
      expect(await rows(ada)).toMatchObject({ websocket: '[ ] forbidden here' });
      await until(
        () => hasInk(ada),
        (ink) => ink,
        'the board after a reload',
      );
      await ada.click('label[for=allow-websocket]');
      await using(ada, 'websocket');
      expect(await ada.evaluate(() => location.search)).toBe('');
      expect(visit.complaints).toEqual([]);
    });

    it('goes by each of the transports alone, and takes the choice from the address', async () => {
      const ada = await join('Ada', `${visit.board.url}/?transports=multipart+pigeon`);
      await using(ada, 'multipart');
      for (const transport of TRANSPORTS) {
        await allow(ada, transport);
        await using(ada, transport);
        await until(
          () => transportOf('Ada'),
          (seen) => seen === transport,
          `Ada by ${transport}, says the server`,
        );
        expect(Object.values(await rows(ada)).filter((row) => row === '[ ] forbidden here')).toHaveLength(3);
      }
      const other = await open(`${visit.board.url}/?transports=pigeon`);
      await using(other, 'websocket');
      expect(Object.values(await rows(other)).every((row) => row.startsWith('[x]'))).toBe(true);
      expect(visit.complaints).toEqual([]);
    });

    it('has legacy transports, and their client, where the switch is on', async () => {
      const ada = await join('Ada');
      await using(ada, 'websocket');
      expect(Object.keys(await rows(ada))).toEqual(TRANSPORTS);
      expect(await clients(ada)).toEqual(['/nestwire.js']);
      expect(await ada.$eval('#legacy', (box: any) => box.checked)).toBe(false);

      await Promise.all([ada.waitForNavigation(), ada.click('label[for=legacy]')]);
      await using(ada, 'websocket');
      expect(await ada.evaluate(() => location.search)).toBe('?legacy=1');
      expect(await clients(ada)).toEqual(['/nestwire.legacy.js']);
      expect(await ada.$eval('#legacy', (box: any) => box.checked)).toBe(true);
      const shown = await rows(ada);
      expect(Object.keys(shown).join()).toBe('websocket,eventsource,multipart,htmlfile,polling,jsonp,flashsocket');
      expect(shown).toMatchObject({
        htmlfile: '[x] not needed',
        jsonp: '[x] not needed',
        flashsocket: expect.stringMatching(/^\[ \] needs a Flash player/),
      });
      await ada.click('label[for=allow-flashsocket]');
      expect((await rows(ada)).flashsocket).toMatch(/^\[ \]/);

      await allow(ada, 'eventsource', 'jsonp');
      await using(ada, 'eventsource');
      expect(await ada.evaluate(() => location.search)).toBe('?transports=eventsource+jsonp&legacy=1');
      // what is allowed and still there goes on
      await ada.focus('#legacy');
      await Promise.all([ada.waitForNavigation(), ada.keyboard.press(' ')]);
      await using(ada, 'eventsource');
      expect(await ada.evaluate(() => location.search)).toBe('?transports=eventsource');
      expect(Object.keys(await rows(ada))).toEqual(TRANSPORTS);
      expect(await clients(ada)).toEqual(['/nestwire.js']);
      expect(visit.complaints).toEqual([]);
    });

    it('carries the board by a legacy transport alone', async () => {
      const ada = await join('Ada', `${visit.board.url}/?transports=htmlfile`);
      const grace = await join('Grace', `${visit.board.url}/?transports=jsonp`);
      const sides = [
        [ada, 'htmlfile'],
        [grace, 'jsonp'],
      ] as const;
      for (const [page, transport] of sides) {
        await using(page, transport);
        expect((await rows(page))[transport]).toMatch(/^\[x\] in use · opened in \d+ ms$/);
      }
      expect(await transportOf('Ada')).toBe('htmlfile');
      expect(await transportOf('Grace')).toBe('polling'); // JSONP is a form of it

      await say(ada, 'Is </script> anybody here?');
      await see(grace, '#log', 'Is </script> anybody here?');
      await say(grace, 'I am');
      await see(ada, '#log', 'I am');
      await ada.bringToFront();
      await draw(ada, [
        [200, 300],
        [500, 400],
      ]);
      await until(
        () => hasInk(grace),
        (ink) => ink,
        'the stroke in the other page',
      );
      // a round trip is an acknowledgement
      for (const [page, transport] of sides) {
        await until(
          () => graph(page),
          ({ lines }) => lines.some(([name, points]) => name === transport && points >= 2),
          `round trips by ${transport}`,
        );
        expect((await tried(page))[0]!.attempts).toHaveLength(1);
      }
      expect(visit.complaints).toEqual([]);
    });

    it('does not let one forbid all', async () => {
      const ada = await join('Ada');
      await allow(ada, 'polling');
      await using(ada, 'polling');
      const before = (await tried(ada)).length;
      expect(await ada.$eval('#allow-polling', (box: any) => box.getAttribute('aria-disabled'))).toBe('true');
      await ada.click('#allow-polling');
      await see(ada, '.choice', 'One transport has to stay allowed');
      await ada.focus('#allow-polling');
      await ada.keyboard.press(' ');
      expect(await ada.$eval('#allow-polling', (box: any) => box.checked)).toBe(true);
      expect(await tried(ada)).toHaveLength(before);

      await ada.focus('#allow-eventsource');
      await ada.keyboard.press(' ');
      await using(ada, 'eventsource');
      expect(await text(ada, '#choice-note')).toBe('');
      expect(await ada.$eval('#allow-polling', (box: any) => box.getAttribute('aria-disabled'))).toBe('false');
      expect(visit.complaints).toEqual([]);
    });

    it('says why a transport was passed over, remembers it for the tab, and tries it again when asked to', async () => {
      const proxy = await blockingProxy({ target: visit.board.url });
      try {
        const ada = await join('Ada', proxy.url);
        await using(ada, 'eventsource');
        await says(ada, 'websocket', /^\[x\] passed over: nothing came in \d+ ms$/);
        await says(ada, 'polling', /^\[x\] opened first, then EventSource$/);
        await ada.click('.attempts summary');
        expect(await tried(ada)).toEqual([
          {
            cause: 'Page opened',
            attempts: [
              'WebSocket first · failed',
              'Long polling first · opened',
              'EventSource upgrade · opened',
              'Multipart upgrade · not needed',
            ],
          },
        ]);
        expect(await text(ada, '.attempt[data-state=failed] .reason')).toMatch(/^nothing came in \d+ ms$/);
        expect(await text(ada, '.attempt[data-state=open] .ms')).toMatch(/^\d+ ms$/);
        expect(await text(ada, '#attempt-count')).toBe('4');

        await ada.reload();
        await using(ada, 'eventsource');
        await says(ada, 'websocket', /^\[x\] left out for now: it failed before in this tab$/);
        await ada.click('#try-again');
        await says(ada, 'websocket', /^\[x\] passed over: nothing came/);
        await using(ada, 'eventsource');
        expect(ownFaults(visit.complaints)).toEqual([]);
      } finally {
        await proxy.close();
      }
    });

    it('draws round-trip times, and where the transport changed', async () => {
      const ada = await join('Ada');
      await until(
        () => graph(ada),
        ({ lines }) => lines.length === 1 && lines[0]![0] === 'websocket' && lines[0]![1] >= 3,
        'a line of websocket with three points',
      );
      expect(Number(await text(ada, '#rtt'))).toBeGreaterThan(0);
      expect(await text(ada, '#rtt-figures')).toMatch(/^Round trip: median [\d.]+ ms, max [\d.]+ ms$/);
      expect((await graph(ada)).marks).toEqual([]);
      await ada.click('#allow-websocket');
      const { lines, marks } = await until(
        () => graph(ada),
        (seen) => seen.lines.some(([transport, points]) => transport === 'eventsource' && points >= 2),
        'a line of eventsource',
      );
      expect(lines.map(([transport]) => transport)).toEqual(['websocket', 'eventsource']);
      expect(marks).toEqual(['EventSource']);
      const box = (await (await ada.$('#rtt-chart'))!.boundingBox())!;
      await ada.mouse.move(box.x + box.width - 3, box.y + 50);
      await see(ada, '#rtt-chart .reading', 'ms, ');
      expect(visit.complaints).toEqual([]);
    });

    it('shows when there was no connection, and what was tried to get it back', async () => {
      const wire = new Wire(visit.board.url);
      try {
        const ada = await join('Ada', await wire.open());
        await using(ada, 'websocket');
        await ada.click('.attempts summary');
        const before = (await graph(ada)).gaps; // a slow start is one
        wire.cut();
        await see(ada, '.in-use-transport', 'No connection');
        expect(await text(ada, '#rtt')).toBe('–');
        const lost = await until(
          () => tried(ada),
          ([newest]) => newest!.cause.startsWith('Connection lost') && newest!.attempts.some((a) => /failed/.test(a)),
          'an attempt that failed',
        );
        expect(lost.at(-1)).toMatchObject({ cause: 'Page opened' });
        await until(
          () => graph(ada),
          ({ gaps }) => gaps === before + 1,
          'a gap',
        );
        wire.mend();
        await see(ada, '#banner', 'Connected again');
        await ada.waitForSelector('#in-use:not([data-transport=""])');
        const { lines, gaps } = await until(
          () => graph(ada),
          (seen) => seen.lines.length >= 2,
          'a line after the gap',
        );
        expect(gaps).toBe(before + 1);
        expect(lines[0]![0]).toBe('websocket');
        expect((await tried(ada))[0]!.attempts.some((attempt) => attempt.endsWith('opened'))).toBe(true);
        expect(ownFaults(visit.complaints)).toEqual([]);
      } finally {
        await wire.close();
      }
    });

    it('is a tab of the sheet on a narrow screen', async () => {
      const ada = await join('Ada');
      await ada.setViewport({ width: 390, height: 800 });
      await using(ada, 'websocket');
      expect(await ada.$eval('#connection-light', (light: any) => light.dataset.transport)).toBe('websocket');
      await ada.click('#open-connection');
      await ada.waitForSelector('.side.open #transports', { visible: true });
      expect(await ada.$eval('#open-connection', (button: any) => button.getAttribute('aria-expanded'))).toBe('true');
      await until(
        () => graph(ada),
        ({ lines }) => lines.length > 0,
        'the graph',
      );
      await ada.keyboard.press('Escape');
      await ada.waitForSelector('.side:not(.open)');
      expect(await ada.evaluate(() => document.activeElement.id)).toBe('open-connection');
      expect(visit.complaints).toEqual([]);
    });
  });
}
