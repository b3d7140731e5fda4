import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';

/** What is given to pages runs there. */
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

/** Scripts, policy and files of a page. */
export interface PageOptions {
  /** URLs of scripts, in order. Default: the client's file for a script tag, from the page's own server. */
  scripts?: readonly string[];
  /** The policy's sources of scripts. Default: the page's own server. */
  scriptSources?: string;
  /** The policy's sources of frames, and targets of forms. Default: none. */
  frameSources?: string;
  /** The whole policy, in the place of ours; empty: none. */
  policy?: string;
  /** Files by path: what else is served, and instead of what. */
  files?: ReadonlyMap<string, string | Buffer>;
}

const TYPES: Record<string, string> = { js: 'text/javascript', html: 'text/html', map: 'application/json' };

/** The page: scripts from somewhere, and nothing inline. */
const html = (scripts: readonly string[]): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>
${scripts.map((url) => `<script src="${url}"></script>`).join('\n')}</html>`;

/** The sources of `connect-src` for a page that talks to a server; without an origin it is the page's own. */
export function serverSources(origin?: string): string {
  return origin === undefined ? "'self'" : `${origin} ${origin.replace(/^http/, 'ws')}`;
}

/** The policy of docs/client.md, and the page's own icon, for which browsers ask unasked. */
export function policy(connectSources: string, scriptSources = "'self'", frameSources = "'none'"): string {
  return (
    `default-src 'none'; script-src ${scriptSources}; connect-src ${connectSources}; frame-src ${frameSources}; ` +
    `img-src 'self'; base-uri 'none'; form-action ${frameSources}; frame-ancestors 'none'; ` +
    "require-trusted-types-for 'script'"
  );
}

/**
 * Answers requests for the page and its scripts.
 *
 * @param sources of `connect-src`, at the moment.
 */
export function pageHandler(
  sources: () => string,
  { scripts = ['/nestwire.js'], scriptSources, frameSources, policy: whole, files = new Map() }: PageOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  const answers = new Map<string, string | Buffer>([
    ['/', html(scripts)],
    ['/nestwire.js', readFileSync(resolve('dist/client/nestwire.js'))],
    ['/stock.js', readFileSync(resolve('node_modules/socket.io/client-dist/socket.io.min.js'))],
    ...files,
  ]);
  return (request, response) => {
    const path = new URL(request.url!, 'http://page').pathname;
    const answer = answers.get(path);
    if (answer === undefined) {
      // favicon.ico among others
      response.writeHead(204).end();
      return;
    }
    const type = TYPES[/\.(\w+)$/.exec(path)?.[1] ?? 'html'] ?? 'application/octet-stream';
    const sent = whole ?? policy(sources(), scriptSources, frameSources);
    response.writeHead(200, {
      'Content-Type': `${type}; charset=utf-8`,
      ...(sent !== '' && { 'Content-Security-Policy': sent }),
    });
    response.end(answer);
  };
}

/** A server of the page alone, for pages of another origin than the server they talk to. */
export async function startPage(
  sources: () => string,
  options?: PageOptions,
): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer(pageHandler(sources, options));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Goes there and waits until the page is loaded. Its frames need not be: a forever iframe never is. */
export async function goTo(page: Page, url: string): Promise<void> {
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  // by hand: `waitForFunction` leaves names of its own in the page
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        if (globalThis.document.readyState === 'complete') resolve();
        else globalThis.addEventListener('load', () => resolve(), { once: true });
      }),
  );
}

/**
 * Opens a page. There it can be read, as `globalThis.violations`, what went against the policy, and as `globalThis.before`
 * which names there were before any script.
 *
 * @returns it, and what it complains of from now on: all that it writes to its console, errors that nobody caught, and
 *   answers that are refusals, which not every browser writes to the console.
 */
export async function openPage(browser: Browser, url: string): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('console', (message) =>
    problems.push(`console ${message.type()}: ${message.text()} ${message.location().url ?? ''}`),
  );
  page.on('pageerror', (error) => problems.push(`error: ${String(error)}`));
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} for ${response.url()}`);
  });
  await page.evaluateOnNewDocument(() => {
    globalThis.violations = [];
    globalThis.before = new Set(Object.getOwnPropertyNames(globalThis).concat('before'));
    globalThis.addEventListener('securitypolicyviolation', (event: any) =>
      globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  await goTo(page, url);
  return { page, problems };
}
