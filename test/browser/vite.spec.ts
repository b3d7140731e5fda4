import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Server } from 'socket.io';
import { build } from 'vite';
import { closeSocketIoServer, createSocketIoServer } from '../../lib/socket-io/bind-socket-io.js';
import { BROWSERS, launchBrowser } from '../support/browsers.js';
import { filesIn } from '../package/packed.js';
import { openPage, pageHandler, serverSources } from './support/page.js';

/*
 * An application that imports `nestwire/client` and is built by Vite with its defaults, against a live server.
 */
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

/** The application. It is given its own server, and tells what became of it. */
const MAIN = `
import { connect, EventSourceTransport } from 'nestwire/client';
import { io } from 'socket.io-client';

async function by(make) {
  const socket = make();
  await new Promise((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject));
  const bytes = await socket.emitWithAck('echo', Uint8Array.of(1, 2, 3));
  const { name } = socket.io.engine.transport;
  const attempts = socket.io.engine.attempts.map(({ transport, role, state }) => [transport, role, state].join(' '));
  socket.disconnect();
  return [name, bytes.byteLength, ...attempts];
}

globalThis.story = Promise.all([
  by(() => connect()),
  by(() => connect({ transports: ['eventsource', 'polling'], forceNew: true })),
  by(() => connect({ transports: ['multipart'], forceNew: true })),
  by(() => connect({ transports: ['polling'], forceNew: true })),
]);
globalThis.known = [typeof io, EventSourceTransport.name.length > 0];
`;

const HTML =
  '<!doctype html><html lang="en"><meta charset="utf-8"><script type="module" src="/main.js"></script></html>';

jest.setTimeout(60_000);

let folder: string;
let io: Server;
let url: string;
const built = new Map<string, string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nestwire-vite-'));
  mkdirSync(join(folder, 'node_modules'));
  // the package as it is built, by its exports; its own dependencies are found from where it really is
  symlinkSync(resolve('.'), join(folder, 'node_modules/nestwire'));
  symlinkSync(resolve('node_modules/socket.io-client'), join(folder, 'node_modules/socket.io-client'));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  writeFileSync(join(folder, 'index.html'), HTML);
  writeFileSync(join(folder, 'main.js'), MAIN);
  await build({ root: folder, configFile: false, logLevel: 'warn' });
  const out = join(folder, 'dist');
  for (const name of filesIn(out)) built.set(`/${name}`, readFileSync(join(out, name), 'utf8'));
  built.set('/', built.get('/index.html')!);

  const http = createServer(pageHandler(() => serverSources(), { files: built }));
  io = createSocketIoServer(http, { transports: ['websocket', 'eventsource', 'multipart', 'polling'] });
  io.on('connection', (socket) => socket.on('echo', (data: Buffer, ack: (data: Buffer) => void) => ack(data)));
  await once(http.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}, 60_000);

afterAll(async () => {
  if (io !== undefined) await closeSocketIoServer(io);
  rmSync(folder, { recursive: true, force: true });
});

describe('an application that Vite built', () => {
  it('has one copy of engine.io-client, that for browsers', () => {
    const scripts = [...built].filter(([path]) => path.endsWith('.js')).map(([, code]) => code);
    expect(scripts).toHaveLength(1);
    // a text that stands once in engine.io-client, and not in ours
    expect(scripts[0]!.match(/xhr post error/g)).toHaveLength(1);
    expect(scripts[0]).not.toMatch(/xmlhttprequest-ssl|node:/);
  });

  it('does not carry legacy transports that it does not import', () => {
    const code = [...built.values()].join('\n');
    // the one's callbacks, and what the other asks for
    expect(code).not.toMatch(/___eio|&origin=|htmlfile/);
  });

  it.each(BROWSERS)('connects by every transport in %s', async (name) => {
    const browser = await launchBrowser(name);
    try {
      const { page, problems } = await openPage(browser, url);
      expect(await page.evaluate(() => globalThis.story)).toEqual([
        ['websocket', 3, 'websocket first open'],
        ['eventsource', 3, 'eventsource first open'],
        ['multipart', 3, 'multipart first open'],
        ['polling', 3, 'polling first open'],
      ]);
      expect(await page.evaluate(() => globalThis.known)).toEqual(['function', true]);
      expect(await page.evaluate(() => globalThis.violations)).toEqual([]);
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
