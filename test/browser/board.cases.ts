import { describe, expect, it, jest } from '@jest/globals';
import type { Page } from 'puppeteer-core';
import type { BrowserName } from '../support/browsers.js';
import { allow, Board, draw, ownFaults, say, see, until, visitIn, Wire } from './support/board.js';

/**
 * The main sample as its users see it: the built program in a process of its own, and two tabs side by side.
 * Functions given to `evaluate` run in the page, where these exist.
 */
declare const document: any;
declare const location: any;

jest.setTimeout(90_000);

/** How many pixels have ink, and a hash of all of them. */
const pixels = (page: Page): Promise<{ inked: number; hash: number }> =>
  page.evaluate(() => {
    const canvas = document.querySelector('#canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let [inked, hash] = [0, 0x811c9dc5];
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 127) inked += 1;
      for (let c = 0; c < 4; c += 1) hash = Math.imul(hash ^ data[i + c], 0x01000193);
    }
    return { inked, hash };
  });

const inkOf = async (page: Page): Promise<number> => (await pixels(page)).inked;

/** Waits until two pages show the same picture, with at least so much ink, and says how much. */
async function samePicture(one: Page, other: Page, atLeast = 1_000): Promise<number> {
  const [{ inked }] = await until(
    async () => [await pixels(one), await pixels(other)] as const,
    ([a, b]) => a.inked >= atLeast && a.hash === b.hash,
    'the same picture in both pages',
  );
  return inked;
}

const ZIGZAG: [number, number][] = [
  [150, 200],
  [350, 320],
  [450, 180],
  [650, 400],
];

const state = async (board: Board): Promise<{ strokes: number; members: { name: string }[] }> =>
  (await fetch(`${board.url}/state`)).json() as never;

const people = (page: Page): Promise<{ name: string; via: string; rtt: string }[]> =>
  page.$$eval('.person', (rows: any[]) =>
    rows.map((row) => ({
      name: row.querySelector('.name').textContent,
      via: row.dataset.transport,
      rtt: row.querySelector('.rtt').textContent,
    })),
  );

/** @param name in which it is tried. */
export function describeBoard(name: BrowserName): void {
  describe(`The board in ${name}`, () => {
    const visit = visitIn(name);
    const { join } = visit;
    const joinBoth = () => Promise.all([join('Ada'), join('Grace')]);

    it('shows who is there, by which transport and how far away, and who has left', async () => {
      const [ada, grace] = await joinBoth();
      for (const page of [ada, grace]) {
        const seen = await until(
          () => people(page),
          (rows) => rows.length === 2 && rows.every(({ via, rtt }) => via === 'websocket' && /^[\d.]+ ms$/.test(rtt)),
          'two people on websocket with a round-trip time',
        );
        expect(seen.map((row) => row.name).sort()).toEqual(['Ada', 'Grace']);
        expect(await page.$eval('#people-count', (count: any) => count.textContent)).toBe('2');
        await see(page, '.in-use-transport', 'WebSocket');
        expect(await page.$eval('#rtt', (rtt: any) => Number(rtt.textContent))).toBeGreaterThan(0);
      }
      await grace.close();
      const left = await until(
        () => people(ada),
        (rows) => rows.length === 1,
        'one person left',
      );
      expect(left[0]!.name).toBe('Ada');
      expect(visit.board.printed.match(/http:/g)).toHaveLength(1);
      expect(visit.complaints).toEqual([]);
    });

    it('shows a stroke to the others pixel by pixel, and to those who come later', async () => {
      const [ada, grace] = await joinBoth();
      expect(await inkOf(grace)).toBe(0);
      await draw(ada, ZIGZAG);
      await grace.click('.ink [value=red]');
      await draw(grace, [
        [200, 480],
        [600, 240],
      ]);
      await samePicture(ada, grace, 2_000);
      const { hash } = await pixels(ada);
      const late = await join('Late');
      await until(
        () => pixels(late),
        (seen) => seen.hash === hash,
        'the same picture for a newcomer',
      );
      expect(visit.complaints).toEqual([]);
    });

    it('shows where the others point', async () => {
      const [ada, grace] = await joinBoth();
      await until(
        async () => {
          await ada.mouse.move(400 + Math.random() * 10, 300); // volatile: one of them may be dropped
          return grace.$$eval('.cursor:not(.idle)', (cursors: any[]) => cursors.map((cursor) => cursor.textContent));
        },
        (cursors) => cursors.length === 1 && cursors[0] === 'Ada',
        'a cursor with a name',
      );
      expect(visit.complaints).toEqual([]);
    });

    it('erases, undoes one’s own strokes only, and clears', async () => {
      const [ada, grace] = await joinBoth();
      await draw(ada, ZIGZAG);
      const one = await samePicture(ada, grace);
      await grace.click('.tool [value=eraser]');
      await draw(grace, [
        [450, 100],
        [450, 500],
      ]);
      await until(
        () => inkOf(ada),
        (ink) => ink > 0 && ink < one,
        'less ink after the eraser',
      );
      await grace.click('#undo'); // the eraser's stroke, not Ada's
      await until(
        () => inkOf(ada),
        (ink) => ink === one,
        'what was erased, again',
      );
      await grace.click('#undo');
      await see(grace, '.toast', 'nothing of yours');
      expect(await inkOf(grace)).toBe(one);
      await ada.focus('#canvas');
      await ada.keyboard.down('Control');
      await ada.keyboard.press('z');
      await ada.keyboard.up('Control');
      await until(
        () => inkOf(grace),
        (ink) => ink === 0,
        'no ink after undo',
      );

      await draw(ada, ZIGZAG);
      await until(
        () => inkOf(grace),
        (ink) => ink === one,
        'the stroke once more',
      );
      await grace.click('#clear');
      await grace.click('#confirm-clear [value=clear]');
      await see(ada, '.toast', 'Grace cleared the board');
      for (const page of [ada, grace]) {
        await until(
          () => inkOf(page),
          (ink) => ink === 0,
          'an empty board',
        );
      }
      expect(visit.complaints).toEqual([]);
    });

    it('draws with the keyboard and with a finger', async () => {
      const [ada, grace] = await joinBoth();
      await ada.focus('#canvas');
      await ada.keyboard.press('4');
      await ada.keyboard.press(' ');
      for (let i = 0; i < 5; i += 1) await ada.keyboard.press('ArrowRight');
      await ada.keyboard.press(' ');
      const byKeys = await samePicture(ada, grace, 100);
      await ada.touchscreen.touchStart(200, 200);
      for (let x = 210; x <= 400; x += 10) await ada.touchscreen.touchMove(x, 200 + x / 4);
      await ada.touchscreen.touchEnd();
      await until(
        () => inkOf(grace),
        (ink) => ink > byKeys + 300,
        'a stroke by touch',
      );
      expect(visit.complaints).toEqual([]);
    });

    it('carries the chat both ways, and announcements to everybody', async () => {
      const [ada, grace] = await joinBoth();
      await say(ada, 'Is anybody here?');
      await see(grace, '#log', 'Is anybody here?');
      await say(grace, '<b>Yes</b>, I am');
      await see(ada, '#log', '<b>Yes</b>, I am');
      const answer = await visit.board.announce({ text: 'Tea is ready' });
      expect([answer.status, await answer.json()]).toEqual([201, { members: 2 }]);
      for (const page of [ada, grace]) {
        await see(page, '#log .announcement', 'Tea is ready');
        await see(page, '.toast', 'Tea is ready');
      }
      const late = await join('Late');
      const lines = await late.$$eval('#log p', (texts: any[]) => texts.map((text) => text.textContent));
      expect(lines).toEqual(['Is anybody here?', '<b>Yes</b>, I am', 'Tea is ready']);
      expect(visit.complaints).toEqual([]);
    });

    it('shows what the server refuses, and bounds what it takes', async () => {
      const ada = await join('Ada');
      await say(ada, 'x'.repeat(401));
      await see(ada, '.toast', 'text must be shorter than or equal to 400 characters'); // the answer to an ack
      expect(await ada.$eval('#text', (input: any) => input.value.length)).toBe(401);
      expect(await ada.$$('#log .line')).toHaveLength(0);

      await ada.evaluate(async () => {
        const { session } = await import(`${location.origin}/js/main.js`);
        session.tell('draw', { id: 'abcd', tool: 'pen', ink: 'red', width: 50, from: 0, points: [1, 2, 3] });
      });
      await see(ada, '.toast', 'points must be 1 to 200 pairs'); // an `exception` event

      expect((await visit.board.announce({ text: '' })).status).toBe(400);
      expect((await visit.board.announce({ text: 'hi', extra: 1 })).status).toBe(400);
      const form = await fetch(`${visit.board.url}/announce`, {
        method: 'POST',
        body: new URLSearchParams({ text: 'hi' }),
      });
      expect(form.status).toBe(400);
      expect(await state(visit.board)).toMatchObject({
        strokes: 0,
        points: 0,
        chatLines: 0,
        members: [{ name: 'Ada' }],
      });
      expect(await (await fetch(`${visit.board.url}/health`)).json()).toMatchObject({ status: 'ok' });
      expect(visit.complaints).toEqual([]);
    });

    it('allows no script that is not its own', async () => {
      const ada = await join('Ada');
      await ada.evaluate(() => {
        const script = document.createElement('script');
        script.textContent = 'document.title = "inline script"';
        document.body.append(script);
      });
      await until(
        async () => visit.complaints.filter((complaint) => complaint.startsWith('csp: script-src')),
        (violations) => violations.length === 1,
        'a violation of the policy, which also shows that the other tests would see one',
      );
      expect(await ada.title()).toBe('Nestwire board');
    });

    it('stays on the transport one chooses', async () => {
      const [ada, grace] = await joinBoth();
      await draw(ada, ZIGZAG);
      const ink = await samePicture(ada, grace);
      for (const transport of ['polling', 'websocket']) {
        await allow(ada, transport);
        await until(
          () => people(grace),
          (rows) =>
            rows.length === 2 && rows.some(({ name, via, rtt }) => name === 'Ada' && via === transport && rtt !== '…'),
          `Ada on ${transport}`,
        );
        expect(await ada.$eval('#in-use', (panel: any) => panel.dataset.transport)).toBe(transport);
        // Still the same person, who may undo what she drew by another transport.
        await draw(ada, ZIGZAG);
        await until(
          () => state(visit.board),
          ({ strokes }) => strokes === 2,
          'one stroke more',
        );
        await ada.click('#undo');
        await until(
          () => state(visit.board),
          ({ strokes }) => strokes === 1,
          'one stroke less',
        );
        await until(
          () => inkOf(grace),
          (seen) => seen === ink,
          'what was there before',
        );
      }
      await ada.click('#undo');
      await until(
        () => inkOf(grace),
        (seen) => seen === 0,
        'no ink after the last undo',
      );
      expect(visit.complaints).toEqual([]);
    });

    it('loses nothing when the connection breaks', async () => {
      const wire = new Wire(visit.board.url);
      try {
        const ada = await join('Ada', await wire.open());
        const grace = await join('Grace');
        await until(
          () => people(grace),
          (rows) => rows.length === 2 && rows.every(({ via }) => via === 'websocket'),
          'both on websocket',
        );
        await ada.evaluate(async () => {
          const { session } = await import(`${location.origin}/js/main.js`);
          session.addEventListener('back', () => (document.documentElement.dataset.recovered = 'yes'));
        });
        wire.cut();
        await see(ada, '#banner', 'Connection lost');
        await until(
          () => people(grace),
          (rows) => rows.length === 1,
          'Ada gone',
        );
        await draw(ada, ZIGZAG);
        await draw(grace, [
          [200, 480],
          [600, 240],
        ]);
        await say(grace, 'Where are you?');
        wire.mend();
        await see(ada, '#banner', 'Connected again');
        await ada.waitForSelector('html[data-recovered=yes]'); // the connection state, and not the whole board anew
        await see(ada, '#log', 'Where are you?');
        await samePicture(ada, grace, 2_000);
        await until(
          () => people(grace),
          (rows) => rows.length === 2,
          'Ada back',
        );
        expect(ownFaults(visit.complaints)).toEqual([]);
      } finally {
        await wire.close();
      }
    });

    it('knows one again after a reload, and after a restart of the server', async () => {
      const wire = new Wire(visit.board.url);
      try {
        const ada = await join('Ada', await wire.open());
        await draw(ada, ZIGZAG);
        await until(
          () => state(visit.board),
          ({ strokes }) => strokes === 1,
          'a stroke',
        );
        await ada.reload();
        await ada.waitForSelector('html[data-state=joined]');
        await until(
          () => inkOf(ada),
          (ink) => ink > 1_000,
          'the stroke again',
        );
        await ada.click('#undo');
        await until(
          () => state(visit.board),
          ({ strokes }) => strokes === 0,
          'no stroke',
        );

        await visit.board.stop();
        await see(ada, '#banner', 'Connection lost');
        await draw(ada, ZIGZAG);
        visit.board = await Board.start();
        wire.target = visit.board.url;
        await see(ada, '#banner', 'Connected again');
        await until(
          () => state(visit.board),
          ({ strokes, members }) => strokes === 1 && members[0]?.name === 'Ada',
          'Ada and what she drew meanwhile',
        );
        expect(ownFaults(visit.complaints)).toEqual([]);
      } finally {
        await wire.close();
      }
    });

    it('ends at once when it is told to, whoever is connected', async () => {
      const [ada, grace] = await joinBoth();
      await allow(grace, 'polling');
      await until(
        () => people(ada),
        (rows) => rows.some(({ via }) => via === 'polling') && rows.some(({ via }) => via === 'websocket'),
        'one of each',
      );
      const start = performance.now();
      const { code, signal } = await visit.board.stop();
      expect(performance.now() - start).toBeLessThan(5_000);
      expect([0, null]).toContain(code);
      expect(['SIGTERM', null]).toContain(signal);
      for (const page of [ada, grace]) await see(page, '#banner', 'Connection lost');
    });
  });
}
