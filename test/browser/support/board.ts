import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Browser, Page } from 'puppeteer-core';
import { launchBrowser, type BrowserName } from '../../support/browsers.js';
import { goTo } from './page.js';

declare const document: any;

const MAIN = resolve('dist-sample/board/main.js');
const SIZE = { width: 1180, height: 760 };

/** The built sample in a process of its own. */
export class Board {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
    private readonly output: string[],
  ) {}

  /** @param environment what is set besides */
  static async start(environment: Record<string, string> = {}): Promise<Board> {
    if (!existsSync(MAIN) || !existsSync('dist/index.js')) {
      throw new Error('The browser tests run the built sample: first `npm run build && npm run build:sample`');
    }
    const child = spawn(process.execPath, [MAIN], {
      env: { ...process.env, PORT: '0', NODE_OPTIONS: '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => output.push(String(chunk)));
    const url = await new Promise<string>((found, failed) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        output.push(`${line}\n`);
        const printed = /http:\/\/localhost:(\d+)/.exec(line);
        if (printed) found(`http://127.0.0.1:${printed[1]}`);
      });
      child.once('exit', (code) => failed(new Error(`The sample ended with ${code}: ${output.join('')}`)));
    });
    return new Board(child, url, output);
  }

  /** What the program has printed; one line in a good life. */
  get printed(): string {
    return this.output.join('');
  }

  async stop(): Promise<{ code: number | null; signal: string | null }> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await exited;
    }
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  announce(body: object): Promise<Response> {
    return fetch(`${this.url}/announce`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
}

/** A network between a page and the board that can be cut. */
export class Wire {
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;
  private isCut = false;

  /** @param target the board's address; may change */
  constructor(public target: string) {
    this.server = createServer((near) => {
      if (this.isCut) {
        near.destroy();
        return;
      }
      const far = connect(Number(new URL(this.target).port), '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(one);
        one.on('close', () => {
          this.sockets.delete(one);
          other.destroy();
        });
        one.on('error', () => other.destroy()); // cut: what this is for
        one.pipe(other);
      }
    });
  }

  async open(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Asks again until the answer fits: for what no event tells, such as pixels. */
export async function until<T>(question: () => Promise<T>, fits: (answer: T) => boolean, what: string): Promise<T> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const answer = await question();
    if (fits(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`Not in time: ${what}; last seen: ${JSON.stringify(answer)}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

export const see = (page: Page, selector: string, text: string) =>
  page.waitForSelector(`${selector} ::-p-text(${JSON.stringify(text)})`, { timeout: 20_000 });

/** Draws a line through these points of the page. */
export async function draw(page: Page, [first, ...rest]: [number, number][]): Promise<void> {
  await page.mouse.move(...first!);
  await page.mouse.down();
  for (const [x, y] of rest) await page.mouse.move(x, y, { steps: 8 });
  await page.mouse.up();
}

/** Says something in the chat. */
export async function say(page: Page, text: string): Promise<void> {
  await page.$eval('#text', (input: any) => (input.value = ''));
  await page.type('#text', text);
  await page.keyboard.press('Enter');
}

/** Allows these transports and no others, by the checkboxes. */
export async function allow(page: Page, ...names: string[]): Promise<void> {
  const boxes: { name: string; checked: boolean }[] = await page.$$eval('#transports input', (inputs: any[]) =>
    inputs.map(({ id, checked }) => ({ name: id.slice('allow-'.length), checked })),
  );
  const wrong = boxes.filter(({ name, checked }) => checked !== names.includes(name));
  // those to allow first: the last one cannot be forbidden
  for (const { name } of wrong.sort((a, b) => Number(a.checked) - Number(b.checked)))
    await page.click(`#allow-${name}`);
}

/** Requests failed, of course, where the network is bad: browsers complain of that. Nothing else may have. */
export const ownFaults = (complaints: string[]): string[] =>
  complaints.filter((complaint) => !complaint.startsWith('console:') && !/^uncaught: .*\bwss?:/.test(complaint));

/** A browser, and a board for each test. */
export interface Visit {
  board: Board;
  /** Console errors, uncaught exceptions, and violations of the content security policy, of all pages. */
  complaints: string[];
  /** Opens a page. @param address the board's own unless given */
  open(address?: string): Promise<Page>;
  /** Opens a page and joins. */
  join(person: string, address?: string): Promise<Page>;
}

/** To be called within `describe`: what it returns is filled before each test, and closed after it. */
export function visitIn(name: BrowserName): Visit {
  let browser: Browser;
  let pages: Page[];
  const visit = { open, join } as Visit;

  beforeAll(async () => {
    browser = await launchBrowser(name);
  });
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(async () => {
    pages = [];
    visit.complaints = [];
    visit.board = await Board.start();
  });
  afterEach(async () => {
    await Promise.all(pages.filter((page) => !page.isClosed()).map((page) => page.close()));
    await visit.board.stop();
  });

  async function open(address = visit.board.url): Promise<Page> {
    const page = await browser.newPage({ type: 'window' });
    pages.push(page);
    page.on('pageerror', (error) => visit.complaints.push(`uncaught: ${String(error)}`));
    page.on('console', (message) => {
      if (message.type() === 'error') visit.complaints.push(`console: ${message.text()}`);
    });
    await page.exposeFunction('tellViolation', (violation: string) => visit.complaints.push(`csp: ${violation}`));
    await page.evaluateOnNewDocument(() => {
      document.addEventListener('securitypolicyviolation', (event: any) => {
        (globalThis as any).tellViolation(`${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await page.setViewport(SIZE);
    await goTo(page, address);
    return page;
  }

  async function join(person: string, address?: string): Promise<Page> {
    const page = await open(address);
    await page.waitForSelector('#join[open]');
    await page.$eval('#name', (input: any) => (input.value = ''));
    await page.type('#name', person);
    await page.keyboard.press('Enter');
    await page.waitForSelector('html[data-state=joined]');
    await page.waitForSelector('#join:not([open])');
    return page;
  }

  return visit;
}
