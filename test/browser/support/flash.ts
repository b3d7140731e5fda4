import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { build } from 'vite';
import { WebSocketServer } from 'ws';

/*
 * What a Flash player needs today: Ruffle in the place of Adobe's, and a way from the WebSocket that Ruffle makes of a
 * movie's TCP connection back to TCP.
 */

const RUFFLE = resolve('node_modules/@ruffle-rs/ruffle');

const TYPES: Record<string, string> = { js: 'text/javascript', wasm: 'application/wasm', html: 'text/html' };

const HTML = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Flash</title><body>
<script src="/config.js"></script><script src="/ruffle/ruffle.js"></script><script src="/client.js"></script></body></html>`;

/** The policy of docs/client.md for a page with Ruffle: no 'unsafe-eval', since the movie calls nothing in the page. */
const policy = (tunnel: string): string =>
  `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${tunnel}; worker-src blob:; ` +
  "style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:";

/** Connects WebSockets to a port, byte by byte. */
export async function startTunnel(port: () => number): Promise<{ url: string; close(): Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (webSocket) => {
    const tcp = connect(port(), '127.0.0.1');
    webSocket.on('message', (data: Buffer) => tcp.write(data));
    tcp.on('data', (chunk) => webSocket.send(chunk));
    // either end takes the other with it; that one failed is told by its end
    webSocket.on('close', () => tcp.destroy()).on('error', () => {});
    tcp.on('close', () => webSocket.close()).on('error', () => {});
  });
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      for (const client of server.clients) client.terminate();
      await new Promise((done) => server.close(done));
    },
  };
}

/** The stock client and the transport, as a page takes them that is built from modules. */
async function bundle(): Promise<string> {
  // is nowhere but in the plugin
  const entry = resolve('test/browser/support/page-entry.js');
  const built = await build({
    configFile: false,
    clearScreen: false,
    logLevel: 'warn',
    plugins: [
      {
        name: 'page',
        resolveId: (id) => (id === entry ? id : id === 'nestwire/client' ? resolve('dist/client/index.js') : undefined),
        load: (id) =>
          id === entry
            ? `import { io } from 'socket.io-client'; import { FlashSocketTransport } from 'nestwire/client';
               Object.assign(globalThis, { io, FlashSocketTransport });`
            : undefined,
      },
    ],
    build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'page', fileName: () => 'page.js' } },
  });
  const [output] = Array.isArray(built) ? built : [built];
  return (output as { output: { code: string }[] }).output[0]!.code;
}

/** Has a server answer requests for the page that are not the engine's. */
export async function servePage(server: Server, port: number, tunnel: string): Promise<void> {
  const proxies = JSON.stringify([{ host: '127.0.0.1', port, proxyUrl: tunnel }]);
  const texts = new Map([
    ['/', HTML],
    ['/client.js', await bundle()],
    ['/config.js', `globalThis.RufflePlayer = { config: { polyfills: false, socketProxy: ${proxies} } };`],
  ]);
  const others = server.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    const path = request.url!.split('?')[0]!;
    const file = /^\/ruffle\/([\w.]+)$/.exec(path)?.[1];
    const body = file === undefined ? texts.get(path) : readFileSync(join(RUFFLE, file));
    if (path === '/favicon.ico') response.writeHead(204).end();
    if (path === '/favicon.ico') return;
    if (body === undefined) {
      for (const listener of others) listener(request, response);
      return;
    }
    const type = TYPES[/\.(\w+)$/.exec(path)?.[1] ?? 'html']!;
    response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': policy(tunnel) }).end(body);
  });
}
