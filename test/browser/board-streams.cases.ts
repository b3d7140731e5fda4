import { describe, expect, it, jest } from '@jest/globals';
import type { Page } from 'puppeteer-core';
import type { BrowserName } from '../support/browsers.js';
import { allow, Board, ownFaults, see, until, visitIn, type Visit } from './support/board.js';

/**
 * Streams, connection guards and errors of the main sample, as its pages see them. Functions given to `evaluate` run in the
 * page, where these exist.
 */
declare const document: any;
declare const matchMedia: any;
declare const nestwire: any;
declare const location: any;

jest.setTimeout(90_000);

type Message = [event: string, data: object];

interface Heard {
  event: string;
  detail: any;
}

/** Keeps what the server tells a page from now on. */
const listen = (page: Page, ...events: string[]): Promise<void> =>
  page.evaluate(async (names) => {
    const { session } = await import(`${location.origin}/js/main.js`);
    const all: Heard[] = ((globalThis as any).heard = []);
    for (const event of names) {
      // a copy, for the page goes on drawing with what it gets
      session.addEventListener(event, ({ detail }: any) => all.push({ event, detail: structuredClone(detail) }));
    }
  }, events);

const heard = (page: Page): Promise<Heard[]> => page.evaluate(() => (globalThis as any).heard);

/** Sends all at once, each for an answer. @returns the answers; of a refusal, its words */
const request = (page: Page, messages: Message[]): Promise<unknown[]> =>
  page.evaluate(async (all) => {
    const { session } = await import(`${location.origin}/js/main.js`);
    return Promise.all(all.map(([event, data]) => session.request(event, data).catch((error: any) => error.message)));
  }, messages);

/** A message of a stroke with these points, one below the other. */
const draw = (id: string, from: number, count: number, end = false): Message => {
  const points = Array.from({ length: count }, (_, i) => [1_000, 10 * (from + i)]).flat();
  return ['draw', { id, tool: 'pen', ink: 'red', width: 50, from, points, end }];
};

const hasInk = (page: Page): Promise<boolean> =>
  page.$eval('#canvas', (canvas: any) =>
    canvas
      .getContext('2d')
      .getImageData(0, 0, canvas.width, canvas.height)
      .data.some((value: number) => value > 0),
  );

async function scribble(page: Page): Promise<void> {
  await page.mouse.move(200, 300);
  await page.mouse.down();
  await page.mouse.move(600, 400, { steps: 10 });
  await page.mouse.up();
}

const label = (page: Page, reaction: string): Promise<string> =>
  page.$eval(`[data-reaction=${reaction}]`, (button: any) => button.getAttribute('aria-label'));

async function fill(page: Page, selector: string, text: string): Promise<void> {
  await page.$eval(selector, (input: any) => (input.value = ''));
  await page.type(selector, text);
  await page.keyboard.press('Enter');
}

const refused = (page: Page, code: string) =>
  page.waitForSelector(`#join[open] #join-error[data-code=${code}]`, { timeout: 20_000 });

const joined = (page: Page) => page.waitForSelector('html[data-state=joined]', { timeout: 20_000 });

const names = (page: Page): Promise<string[]> =>
  page.$$eval('.person .name', (all: any[]) => all.map((name) => name.textContent).sort());

const lineOf = (page: Page): Promise<string> => page.$eval('#join-error', (error: any) => error.textContent);

/** @param browser in which it is tried. */
export function describeBoardStreams(browser: BrowserName): void {
  describe(`The board in ${browser}`, () => {
    const visit: Visit = visitIn(browser);
    const { open, join } = visit;

    it('hands on what one does in batches', async () => {
      const [ada, grace] = await Promise.all([join('Ada'), join('Grace')]);
      await Promise.all([listen(ada, 'strokes'), listen(grace, 'strokes', 'removed', 'cursors')]);
      const sent = Array.from({ length: 40 }, (_, i) => draw('batched', 2 * i, 2, i === 39));
      const answers = (await request(ada, sent)) as { have: number }[];
      // each message is answered by itself
      expect(answers.map(({ have }) => have)).toEqual(sent.map((_, i) => 2 * (i + 1)));
      const batches = await until(
        () => heard(grace),
        (all) => all.at(-1)?.detail.at(-1).done,
        'the end of the stroke',
      );
      expect(batches.length).toBeLessThan(sent.length / 2);
      let have = 0;
      for (const { detail } of batches) {
        expect(detail).toMatchObject([{ seq: 1, ink: 'red', from: have }]);
        have += detail[0].points.length / 2;
      }
      expect(have).toBe(80);

      // A stroke that was taken back before its batch was due does not come after all.
      await request(ada, [
        draw('first', 0, 1, true),
        draw('undone', 0, 3, true),
        ['undo', {}],
        draw('last', 0, 2, true),
      ]);
      const news = await until(
        () => heard(grace),
        (all) => all.some(({ event, detail }) => event === 'strokes' && detail.at(-1).key.endsWith('/last')),
        'the last stroke',
      );
      const removed = news.findIndex(({ event }) => event === 'removed');
      expect(news[removed]?.detail.keys).toEqual([expect.stringMatching(/\/undone$/)]);
      const after = news.slice(removed).flatMap(({ event, detail }) => (event === 'strokes' ? detail : []));
      expect(after.map(({ key }) => key.split('/')[1])).toContain('last');
      expect(after.map(({ key }) => key.split('/')[1])).not.toContain('undone');
      expect(await heard(ada)).toEqual([]); // who draws has it already

      const moves = Array.from({ length: 40 }, (_, x): Message => ['cursor', { x, y: 7 }]);
      await request(ada, moves);
      const cursors = await until(
        async () => (await heard(grace)).filter(({ event }) => event === 'cursors'),
        (all) => all.at(-1)?.detail.at(-1).x === 39,
        'where Ada is now',
      );
      expect(cursors.length).toBeLessThan(moves.length / 2);
      for (const { detail } of cursors)
        expect(detail).toEqual([{ id: expect.any(String), x: expect.any(Number), y: 7 }]);
      expect(visit.complaints).toEqual([]);
    });

    it('counts reactions for everybody, live', async () => {
      const [ada, grace] = await Promise.all([join('Ada'), join('Grace')]);
      await listen(grace, 'tally');
      expect(await label(grace, 'heart')).toBe('Heart, 0');
      const flight = grace.waitForSelector('[data-reaction=heart] .flight', { timeout: 20_000 });
      await ada.click('[data-reaction=heart]');
      await flight;
      await grace.click('[data-reaction=star]');
      await request(
        ada,
        Array.from({ length: 12 }, (): Message => ['react', { reaction: 'heart' }]),
      );
      for (const page of [ada, grace]) {
        await until(
          async () => [await label(page, 'heart'), await label(page, 'star'), await label(page, 'party')],
          (labels) => String(labels) === 'Heart, 13,Star, 1,Party, 0',
          'what both have done',
        );
      }
      // many at once are one message
      expect((await heard(grace)).length).toBeLessThan(10);
      await see(grace, '#reactions-status[role=status]', 'Heart, ');
      await until(
        () => grace.$$('.flight'),
        (flights) => flights.length === 0,
        'the end of all flights',
      );

      const late = await open();
      // Firefox cannot be asked to by WebDriver BiDi
      if (browser === 'chromium')
        await late.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
      await fill(late, '#name', 'Late');
      await joined(late);
      expect([await label(late, 'heart'), await label(late, 'star')]).toEqual(['Heart, 13', 'Star, 1']);
      await ada.click('[data-reaction=party]');
      await until(
        () => label(late, 'party'),
        (text) => text === 'Party, 1',
        'one more',
      );
      const isCalm = await late.evaluate(() => matchMedia('(prefers-reduced-motion: reduce)').matches);
      expect(await late.$$('.flight')).toHaveLength(isCalm ? 0 : 1);
      expect(visit.complaints).toEqual([]);
    });

    it('shows why one is not let in, and lets one try again', async () => {
      const ada = await join('Ada');
      await scribble(ada);
      const page = await open();
      await page.waitForSelector('#in-use[data-transport=websocket]', { timeout: 20_000 });
      await fill(page, '#name', 'n'.repeat(25));
      await refused(page, 'NAME_INVALID');
      expect(await lineOf(page)).toBe('name must be shorter than or equal to 24 characters');
      expect(await page.$eval('#name', (name: any) => name.getAttribute('aria-invalid'))).toBe('true');
      await fill(page, '#name', 'ＡＤＡ'); // full width, and the same name for all that
      await refused(page, 'NAME_TAKEN');
      expect(await lineOf(page)).toBe('Somebody called ＡＤＡ is here already. “ＡＤＡ 2” is free.');
      await fill(page, '#name', 'ada');
      await until(
        () => lineOf(page),
        (line) => line === 'Somebody called ada is here already. “ada 2” is free.',
        'another refusal',
      );
      // a refused client is not there, and is told nothing
      expect(await names(ada)).toEqual(['Ada']);
      expect(await hasInk(page)).toBe(false);
      await page.keyboard.press('Enter'); // the free one stands in the field
      await joined(page);
      await page.waitForSelector('#join:not([open])');
      await until(
        () => hasInk(page),
        (ink) => ink,
        'what was drawn before',
      );
      expect(await page.$$('#attempts > li')).toHaveLength(1); // all by one connection
      const answer = await page.evaluate(
        () =>
          new Promise((resolve) => {
            const socket = nestwire.connect('/board', { forceNew: true, transports: ['websocket'] });
            socket.onAny((event: string) => resolve({ event }));
            socket.on('connect_error', ({ message, data }: any) => resolve({ message, data }));
          }),
      );
      expect(answer).toMatchObject({ data: { status: 'error', code: 'NAME_INVALID' } });

      await ada.reload(); // the same person in the same tab
      await joined(ada);
      await until(
        () => names(page),
        (all) => String(all) === 'Ada,ada 2',
        'Ada after a reload',
      );
      expect(visit.complaints).toEqual([]);
    });

    it('lets one of several in who ask for a name at the same time', async () => {
      const pages = await Promise.all([open(), open(), open()]);
      await Promise.all(
        pages.map((page) => page.waitForSelector('#in-use:not([data-transport=""])', { timeout: 20_000 })),
      );
      await Promise.all(pages.map((page) => page.$eval('#name', (name: any) => (name.value = 'Ada'))));
      await Promise.all(pages.map((page) => page.$eval('#join-form', (form: any) => form.requestSubmit())));
      await until(
        () => Promise.all(pages.map((page) => page.$eval('#join-error', ({ dataset }: any) => dataset.code ?? ''))),
        (codes) => codes.filter((code) => code === 'NAME_TAKEN').length === 2,
        'a refusal for two of them',
      );
      const states = await Promise.all(pages.map((page) => page.$eval('html', ({ dataset }: any) => dataset.state)));
      expect(states.filter((state) => state === 'joined')).toHaveLength(1);
      expect(visit.complaints).toEqual([]);
    });

    it('asks for the password of a board that has one', async () => {
      await visit.board.stop();
      visit.board = await Board.start({ BOARD_PASSWORD: 'open sesame' });
      const ada = await open(visit.board.url);
      expect(await ada.$eval('#password-field', (field: any) => field.hidden)).toBe(true);
      await fill(ada, '#name', 'Ada');
      await refused(ada, 'PASSWORD_NEEDED');
      expect(await lineOf(ada)).toBe('This board has a password');
      await fill(ada, '#password', 'open barley');
      await refused(ada, 'PASSWORD_WRONG');
      await fill(ada, '#password', 'open sesame');
      await joined(ada);
      await allow(ada, 'polling'); // signs in again, by itself
      await ada.waitForSelector('html[data-state=joined] #in-use[data-transport=polling]', { timeout: 20_000 });
      expect(await ada.$('#join[open]')).toBeNull();

      await ada.reload(); // the name is kept for the tab, the password is not
      await refused(ada, 'PASSWORD_NEEDED');
      expect(await ada.$eval('#name', (name: any) => name.value)).toBe('Ada');
      await fill(ada, '#password', 'open sesame');
      await joined(ada);
      expect(visit.complaints).toEqual([]);
    });

    it('asks every page whether it is looked at, and reports on a timer', async () => {
      const audience = async (): Promise<{ pages: number; looking: number }> =>
        (await (await fetch(`${visit.board.url}/audience`)).json()) as never;
      expect(await audience()).toEqual({ pages: 0, looking: 0 });
      const ada = await join('Ada');
      await join('Grace');
      // a page that another window covers may count as hidden
      expect(await audience()).toEqual({ pages: 2, looking: expect.any(Number) });
      await ada.bringToFront();
      await until(audience, ({ looking }) => looking > 0, 'somebody looks');

      await visit.board.stop();
      visit.board = await Board.start({ BOARD_REPORT_EVERY: '200' });
      const eve = await join('Eve', visit.board.url);
      await see(eve, '#log .announcement', '1 here, 0 strokes on the board');
      expect(ownFaults(visit.complaints)).toEqual([]);
    });

    it('shows what the server refuses of a stream, and loses nothing that may go later', async () => {
      const [ada, grace] = await Promise.all([join('Ada'), join('Grace')]);
      await ada.$eval('[data-reaction=thumb]', (button: any) => {
        for (let i = 0; i < 30; i += 1) button.click();
      });
      await see(ada, '.toast.problem[role=alert]', 'Too many messages: please slow down');
      await ada.click('.toast button');
      await until(
        () => ada.$$('.toast'),
        (toasts) => toasts.length === 0,
        'no notice',
      );

      // What may never go is taken back.
      expect(await request(grace, [draw('long', 1_990, 11), ['react', { reaction: 'frown' }]])).toEqual([
        'a stroke has at most 2000 points',
        expect.stringMatching(/^reaction must be one of/),
      ]);
      await grace.evaluate(async () => {
        const { session } = await import(`${location.origin}/js/main.js`);
        session.limits = { ...session.limits, minWidth: 9_000, maxWidth: 9_000 }; // as a page would that got them wrong
      });
      await scribble(grace);
      await see(grace, '.toast.problem', 'A stroke was not taken: width must not be greater than 5000');
      expect(await hasInk(grace)).toBe(false);

      await listen(grace, 'strokes');
      // As many messages as are allowed in ten seconds, right before the end of a stroke.
      await ada.evaluate(
        async ([event, data]) => {
          const { session } = await import(`${location.origin}/js/main.js`);
          const flood = () => Array.from({ length: 900 }, () => session.tell(event, data));
          document.addEventListener('pointerup', flood, { capture: true, once: true });
        },
        draw('flood', 0, 1),
      );
      await scribble(ada);
      await see(ada, '.toast.problem', 'Too many messages: please slow down (×');
      const whole = await until(
        async () => (await heard(grace)).flatMap(({ detail }) => detail).filter(({ key }) => !key.endsWith('/flood')),
        (news) => news.at(-1)?.done,
        'the stroke all the same',
      );
      expect(whole.flatMap(({ points }) => points).length).toBeGreaterThan(10);
      await until(
        () => hasInk(grace),
        (ink) => ink,
        'the stroke at Grace',
      );
      expect(visit.complaints).toEqual([]);
    });
  });
}
