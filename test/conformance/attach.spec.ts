import { describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { ask, RawConnection, requestText, upgradeText } from '../support/wire-http.js';
import {
  attachEngine,
  createEngine,
  engineOptions,
  listenEngine,
  listening,
  ours,
  sessionClosed,
  stop,
  until,
  useEngines,
} from '../support/wire-engine.js';
import { message, rows } from '../support/wire-rows.js';
import { WsClient } from '../support/wire-websocket.js';

const start = useEngines();

/** An application as Express makes it: one listener that answers everything. */
function application(req: IncomingMessage, res: ServerResponse): void {
  res.setHeader('x-powered-by', 'application');
  res.end(`application ${req.method} ${req.url}`);
}

function idle(): void {}

function late(_req: IncomingMessage, res: ServerResponse): void {
  res.setHeader('x-late', 'yes');
}

describe('attach', () => {
  it('leaves other paths to the request listeners that were there', async () => {
    const target = await start({}, { before: (server) => server.on('request', application) });
    const base = `http://127.0.0.1:${target.port}`;
    expect((await ask(`${base}/`)).text).toBe('application GET /');
    expect((await ask(`${base}/engine`, { method: 'POST', body: 'x' })).text).toBe('application POST /engine');
    const handshake = await ask(`${target.url}?EIO=4&transport=polling`);
    expect(handshake.text).toMatch(/^0\{/);
    expect(handshake.headers).not.toHaveProperty('x-powered-by');
  });

  it('calls every listener that was there, with the server as this', async () => {
    const calls: unknown[] = [];
    const target = await start(
      {},
      {
        before: (server) => {
          server.on('request', function (this: Server) {
            calls.push(this === server);
          });
          server.on('request', (_req, res) => res.end('second'));
        },
      },
    );
    expect((await ask(`http://127.0.0.1:${target.port}/other`)).text).toBe('second');
    expect(calls).toEqual([true]);
  });

  it.each(rows)('serves $name on another path', async (row) => {
    const target = await start({}, { attach: { path: '/deep/er/' } });
    const client = await row.open(target);
    const session = await target.sessions.next();
    session.send('here');
    expect(await client.receive()).toEqual(message('here'));
    expect(new URL(target.url).pathname).toBe('/deep/er/');
  });

  it('takes a path without the trailing slash when told so', async () => {
    const target = await start({}, { attach: { path: '/rt', addTrailingSlash: false } });
    for (const path of ['/rt', '/rt/']) {
      const answer = await ask(`http://127.0.0.1:${target.port}${path}?EIO=4&transport=polling`);
      expect(answer.text).toMatch(/^0\{/);
    }
  });

  it('serves two engines on two paths of one server', async () => {
    let second: ReturnType<typeof createEngine> | undefined;
    const target = await start(
      {},
      {
        before: (server) => {
          server.on('request', application);
          second = createEngine(engineOptions({ pingInterval: 1_234 }));
          second.attach(server, { path: '/second' });
        },
        attach: { path: '/first' },
      },
    );
    target.onTeardown(() => second!.close());
    const onSecond = { ...target, url: target.url.replace('first', 'second') };
    for (const row of rows) {
      expect((await row.open(target)).handshake.pingInterval).toBe(25_000);
      expect((await row.open(onSecond)).handshake.pingInterval).toBe(1_234);
    }
    expect(target.engine.clientsCount).toBe(rows.length);
    expect(second!.clientsCount).toBe(rows.length);
    expect((await ask(`http://127.0.0.1:${target.port}/third`)).text).toBe('application GET /third');
  });

  it('shares upgrades with another listener on another path', async () => {
    const other = new WebSocketServer({ noServer: true });
    other.on('connection', (socket) => socket.on('message', (data) => socket.send(`graphql ${data.toString()}`)));
    const target = await start(
      {},
      {
        before: (server) =>
          server.on('upgrade', (req, socket, head) => {
            if (req.url === '/graphql') {
              other.handleUpgrade(req, socket, head, (ws) => other.emit('connection', ws, req));
            }
          }),
        attach: { destroyUpgradeTimeout: 50 },
      },
    );
    const client = new WsClient(`ws://127.0.0.1:${target.port}/graphql`);
    target.onTeardown(() => client.cut());
    await client.opened;
    await new Promise((resolve) => setTimeout(resolve, 120)); // longer than destroyUpgradeTimeout
    await client.send('query');
    expect(await client.next()).toBe('graphql query');
    for (const row of rows) await row.open(target);
  });

  it('ends an upgrade that nobody wants after destroyUpgradeTimeout', async () => {
    const target = await start({}, { attach: { destroyUpgradeTimeout: 60 } });
    const begun = performance.now();
    const connection = new RawConnection(target.port).write(upgradeText('/nobody'));
    expect(await connection.ended).toBe('');
    expect(performance.now() - begun).toBeGreaterThan(50);
  });

  it('leaves an unwanted upgrade alone when destroyUpgrade is false', async () => {
    const parked: Duplex[] = [];
    const target = await start(
      {},
      {
        before: (server) => server.on('upgrade', (_req, socket) => parked.push(socket)),
        attach: { destroyUpgrade: false, destroyUpgradeTimeout: 10 },
      },
    );
    const connection = new RawConnection(target.port).write(upgradeText('/later'));
    await until(() => parked.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 80)); // longer than destroyUpgradeTimeout
    parked[0]!.end('a late answer');
    expect(await connection.ended).toBe('a late answer');
  });

  it('survives a reset of an upgrade that nobody wants', async () => {
    const target = await start({}, { attach: { destroyUpgradeTimeout: 40 } });
    const connection = new RawConnection(target.port).write(upgradeText('/nobody'));
    await new Promise((resolve) => connection.socket.once('ready', resolve));
    connection.reset();
    await connection.ended;
    await new Promise((resolve) => setTimeout(resolve, 80)); // the timer of destroyUpgradeTimeout has run
    await rows[0]!.open(target);
  });

  it('ends sessions when the server closes', async () => {
    const target = await start();
    await rows[0]!.open(target, { paused: true });
    const session = await target.sessions.next();
    const ended = sessionClosed(session);
    await stop(target.server);
    expect((await ended).reason).toBe('forced close');
    expect(target.engine.clientsCount).toBe(0);
  });

  it('serves again when the server listens again', async () => {
    const target = await start();
    await stop(target.server);
    const port = await listening(target.server);
    const again = { ...target, port, url: `http://127.0.0.1:${port}/engine.io/` };
    for (const row of rows) {
      const client = await row.open(again);
      await client.send(message('x'));
    }
  });

  it('serves requests handed over by hand', async () => {
    const engine = createEngine(engineOptions());
    const server = createServer((req, res) => engine.handleRequest(req, res));
    server.on('upgrade', (req, socket, head) => engine.handleUpgrade(req, socket, head));
    const port = await listening(server);
    const undo: (() => unknown)[] = [];
    const target = { url: `http://127.0.0.1:${port}/any/where`, port, onTeardown: (f: () => unknown) => undo.push(f) };
    engine.on('connection', (session) => session.on('message', (data: unknown) => session.send(data)));
    for (const row of rows) {
      const client = await row.open(target);
      await client.send(message('by hand'));
      expect(await client.receive()).toEqual(message('by hand'));
    }
    for (const f of undo) f();
    engine.close();
    await stop(server);
  });

  if (ours) {
    it('gives the listeners back on detach', async () => {
      const target = await start(
        {},
        { before: (server) => server.on('request', application).on('upgrade', idle).on('close', idle) },
      );
      const client = await rows[0]!.open(target, { paused: true });
      target.engine.detach!(target.server);
      expect(target.server.listeners('request')).toEqual([application]);
      expect(target.server.listeners('upgrade')).toEqual([idle]);
      expect(target.server.listeners('close')).toEqual([idle]);
      expect(target.server.listeners('listening')).toEqual(createServer().listeners('listening'));
      const answer = await ask(`${target.url}?EIO=4&transport=polling`);
      expect(answer.text).toMatch(/^application GET/);
      client.drop();
    });

    it('gives the listeners back on close', async () => {
      const target = await start({}, { before: (server) => server.on('request', application) });
      target.engine.close();
      target.engine.detach!();
      expect(target.server.listeners('request')).toEqual([application]);
      expect(target.server.listenerCount('upgrade')).toBe(0);
    });

    it('leaves nobody without an answer who still asks after close', async () => {
      const target = await start();
      const client = await rows[0]!.open(target, { paused: true });
      target.engine.close();
      const answer = await ask(`${target.url}?EIO=4&transport=polling&sid=${client.sid}`);
      expect(answer).toMatchObject({ status: 503, headers: { connection: 'close' } });
      await new Promise((resolve) => target.server.close(resolve));
      expect(target.server.listenerCount('request')).toBe(0);
    });

    it('gives the listeners back whichever of two engines goes first', async () => {
      for (const order of [0, 1]) {
        const server = createServer(application);
        const engines = [createEngine(engineOptions()), createEngine(engineOptions())];
        engines[0]!.attach(server, { path: '/a' });
        engines[1]!.attach(server, { path: '/b' });
        const port = await listening(server);
        const first = engines[order]!;
        const second = engines[1 - order]!;
        const [gone, left] = order === 0 ? ['a', 'b'] : ['b', 'a'];
        first.detach!(server);
        expect((await ask(`http://127.0.0.1:${port}/${gone}/?EIO=4&transport=polling`)).text).toMatch(/^application/);
        expect((await ask(`http://127.0.0.1:${port}/${left}/?EIO=4&transport=polling`)).text).toMatch(/^0\{/);
        second.detach!(server);
        expect(server.listeners('request')).toEqual([application]);
        expect(server.listenerCount('upgrade')).toBe(0);
        for (const engine of engines) engine.close();
        await stop(server);
      }
    });

    it('keeps listeners that were added after it', async () => {
      const target = await start({}, { before: (server) => server.on('request', application) });
      target.server.prependListener('request', late);
      target.engine.detach!(target.server);
      expect(target.server.listeners('request')).toEqual(expect.arrayContaining([application, late]));
    });
  }
});

describe('attach and listen functions', () => {
  it('attach() makes an engine on a server', async () => {
    const server = createServer(application);
    const engine = attachEngine(server, engineOptions({ path: '/made', pingInterval: 4_321 }));
    const port = await listening(server);
    const answer = await ask(`http://127.0.0.1:${port}/made/?EIO=4&transport=polling`);
    expect(JSON.parse(answer.text.slice(1)).pingInterval).toBe(4_321);
    engine.close();
    await stop(server);
  });

  it('listen() makes the server too, which answers 501 elsewhere', async () => {
    const engine = await new Promise<ReturnType<typeof listenEngine>>((resolve) => {
      const made = listenEngine(0, engineOptions(), () => resolve(made));
    });
    const server = engine.httpServer!;
    const { port } = server.address() as AddressInfo;
    expect((await ask(`http://127.0.0.1:${port}/`)).status).toBe(501);
    expect((await ask(`http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`)).status).toBe(200);
    const connection = new RawConnection(port).write(requestText('GET', '/engine.io/?EIO=4&transport=polling'));
    await connection.until(/0\{"sid"/);
    connection.socket.destroy();
    engine.close();
    await stop(server);
  });
});
