import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { AddressInfo } from 'node:net';

/** The page: the client by its script tag, and nothing inline. */
const HTML = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Transports</title>
<script src="/nestwire.js"></script><script src="/violations.js"></script></html>`;

/** Violations of the policy, for the test to read. */
const VIOLATIONS = `globalThis.violations = [];
addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));`;

/** The strict policy of a page that talks to a server at an origin. */
export function policy(origin: string): string {
  const servers = `${origin} ${origin.replace(/^http/, 'ws')}`;
  return `default-src 'none'; script-src 'self'; img-src 'self'; connect-src ${servers}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

/** Answers requests for the page and its scripts. @param origin of the server that the page talks to. */
export function pageHandler(origin: () => string): (request: IncomingMessage, response: ServerResponse) => void {
  const client = readFileSync(resolve('dist/client/nestwire.js'));
  const answers = new Map<string, [string, string | Buffer]>([
    ['/', ['text/html; charset=utf-8', HTML]],
    ['/nestwire.js', ['text/javascript; charset=utf-8', client]],
    ['/violations.js', ['text/javascript; charset=utf-8', VIOLATIONS]],
  ]);
  return (request, response) => {
    const answer = answers.get(request.url ?? '');
    if (answer === undefined) {
      // favicon.ico among others
      response.writeHead(204).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': answer[0], 'Content-Security-Policy': policy(origin()) });
    response.end(answer[1]);
  };
}

/** A server of the page alone, for pages of another origin than the server they talk to. */
export async function startPage(origin: string): Promise<{ url: string; server: Server }> {
  const server = createServer(pageHandler(() => origin));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
