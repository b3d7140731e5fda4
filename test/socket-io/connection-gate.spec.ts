/** The gate before namespaces: what it does for a client, and what of socket.io it relies on. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Namespace, Server, Socket } from 'socket.io';
import { io as connectTo, type Socket as Client } from 'socket.io-client';
import { createSocketIoServer } from '../../lib/socket-io/bind-socket-io.js';
import {
  gateServer,
  OUT_OF_TIME,
  type Gatekeeper,
  type Lineage,
  type Verdict,
} from '../../lib/socket-io/connection-gate.js';
import { WsClient } from '../support/wire-websocket.js';
import { Queue } from '../support/wire-queue.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  // oxlint-disable-next-line no-await-in-loop
  while (cleanups.length > 0) await cleanups.pop()!();
});

/** An examination that the test decides. */
interface Examination {
  socket: Socket;
  lineage: string[];
  signal: AbortSignal;
  decide(verdict: Verdict): void;
  fail(error: unknown): void;
}

class Keeper implements Gatekeeper {
  timeout = 10_000;
  unguarded = new Set<string>();
  readonly examinations = new Queue<Examination>();
  readonly violations: string[] = [];
  readonly failures: unknown[] = [];
  examined = 0;
  /** Decides at once, instead of leaving it to the test. */
  policy: ((socket: Socket) => Verdict) | undefined;

  isGuarded(lineage: Lineage): boolean {
    return !lineage.some(({ name }) => this.unguarded.has(name));
  }

  examine(socket: Socket, lineage: Lineage, signal: AbortSignal): Promise<Verdict> {
    this.examined += 1;
    if (this.policy) return Promise.resolve(this.policy(socket));
    return new Promise((decide, fail) =>
      this.examinations.push({ socket, lineage: lineage.map(({ name }) => name), signal, decide, fail }),
    );
  }

  violated(namespace: string, what: string): void {
    this.violations.push(`${namespace} ${what}`);
  }

  failed(error: unknown): void {
    this.failures.push(error);
  }
}

interface Gated {
  io: Server;
  keeper: Keeper;
  port: number;
  url: string;
}

async function serve(options = {}, prepare: (io: Server) => void = () => {}): Promise<Gated> {
  const http = createServer();
  const io = createSocketIoServer(http, { allowEIO3: true, ...options });
  cleanups.push(() => io.close());
  const keeper = new Keeper();
  prepare(io);
  gateServer(io, keeper);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  return { io, keeper, port, url: `http://127.0.0.1:${port}` };
}

/** A client that shows each packet as it comes and sends what it is told to. */
async function raw({ port }: Gated): Promise<WsClient> {
  const client = new WsClient(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  cleanups.push(() => client.cut());
  await client.opened;
  expect(String(await client.next())).toMatch(/^0\{/);
  return client;
}

function dial(url: string, options = {}): Client {
  const client = connectTo(url, { transports: ['websocket'], forceNew: true, reconnection: false, ...options });
  cleanups.push(() => client.disconnect());
  return client;
}

const event = (emitter: { once(name: string, listener: (value: any) => void): unknown }, name: string): Promise<any> =>
  new Promise((resolve) => emitter.once(name, resolve));

/** The namespace's private count of those that are on their way in. */
const preConnected = (namespace: Namespace): number =>
  (namespace as unknown as { _preConnectSockets: Map<string, Socket> })._preConnectSockets.size;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('what the gate relies on', () => {
  it('is there in socket.io', async () => {
    expect(Object.getOwnPropertyNames(Namespace.prototype)).toEqual(
      expect.arrayContaining(['_add', '_remove', '_createSocket']),
    );
    expect(Object.getOwnPropertyNames(Socket.prototype)).toEqual(expect.arrayContaining(['_cleanup', '_error']));
    const gated = await serve();
    const { io } = gated;
    const parent = io.of(/^\/pattern$/);
    const internals = io as unknown as { _nsps: unknown; parentNsps: Map<unknown, { children: unknown }> };
    expect(internals._nsps).toBeInstanceOf(Map);
    expect([...internals.parentNsps.values()]).toEqual([parent]);
    expect([...internals.parentNsps.values()][0]!.children).toBeInstanceOf(Set);
    gated.keeper.policy = () => 'admit';
    const connected = event(io, 'connection');
    dial(gated.url);
    const socket = (await connected) as Socket;
    const { decoder } = socket.client as unknown as { decoder: Record<string, unknown> };
    expect([typeof decoder['on'], typeof decoder['removeListener']]).toEqual(['function', 'function']);
  });

  it('stands on the namespaces of its server alone', async () => {
    const { io } = await serve();
    const other = new Server();
    for (const name of ['_add', '_remove', '_createSocket']) {
      expect(Object.hasOwn(io.of('/'), name)).toBe(true);
      expect(Object.hasOwn(io.of('/later'), name)).toBe(true);
      expect(Object.hasOwn(other.of('/'), name)).toBe(false);
    }
  });

  it('keeps namespaces that were there before', async () => {
    const gated = await serve({}, (io) => void io.of('/early'));
    dial(`${gated.url}/early`);
    expect((await gated.keeper.examinations.next()).socket.nsp.name).toBe('/early');
  });
});

describe('a client at the gate', () => {
  it('is unknown to its namespace until it is let in, and is then the socket that was examined', async () => {
    const gated = await serve();
    const { io, keeper } = gated;
    const connected = event(io, 'connection');
    const client = dial(gated.url, { auth: { token: 't' } });
    const { socket, decide, signal } = await keeper.examinations.next();
    expect(socket).toMatchObject({ connected: false, handshake: { auth: { token: 't' } }, nsp: io.of('/') });
    expect([io.of('/').sockets.size, preConnected(io.of('/')), client.connected]).toEqual([0, 0, false]);
    socket.data.user = 'Ann';
    decide('admit');
    expect(await connected).toBe(socket);
    await event(client, 'connect');
    expect(client.id).toBe(socket.id);
    expect([socket.data, signal.aborted, preConnected(io.of('/'))]).toEqual([{ user: 'Ann' }, false, 0]);
  });

  it('passes the middlewares after it, and not when it is refused', async () => {
    const gated = await serve();
    const seen: unknown[] = [];
    gated.io.use((socket, next) => {
      seen.push(socket.data);
      next(socket.handshake.auth['bad'] ? Object.assign(new Error('middleware'), { data: { m: 1 } }) : undefined);
    });
    gated.keeper.policy = (socket) => {
      socket.data.examined = true;
      return socket.handshake.auth['refused'] ? { message: 'no', data: { code: 'NO' } } : 'admit';
    };
    expect(await event(dial(gated.url, { auth: { refused: true } }), 'connect_error')).toMatchObject({
      message: 'no',
      data: { code: 'NO' },
    });
    expect(seen).toEqual([]);
    expect(await event(dial(gated.url, { auth: { bad: true } }), 'connect_error')).toMatchObject({
      message: 'middleware',
      data: { m: 1 },
    });
    await event(dial(gated.url), 'connect');
    expect(seen).toEqual([{ examined: true }, { examined: true }]);
  });

  it('may ask again on the same connection when it was refused, by the gate or by a middleware', async () => {
    const gated = await serve();
    let middleware: Error | undefined;
    gated.io.use((_socket, next) => next(middleware));
    const client = await raw(gated);
    await client.send('40{"try":1}');
    (await gated.keeper.examinations.next()).decide({ message: 'first', data: {} });
    expect(await client.next()).toBe('44{"message":"first","data":{}}');
    middleware = new Error('second');
    await client.send('40{"try":2}');
    (await gated.keeper.examinations.next()).decide('admit');
    expect(await client.next()).toBe('44{"message":"second"}');
    middleware = undefined;
    await client.send('40{"try":2}');
    (await gated.keeper.examinations.next()).decide('admit');
    expect(await client.next()).toMatch(/^40\{"sid"/);
  });

  it('goes straight on where nobody guards', async () => {
    const gated = await serve();
    gated.keeper.unguarded.add('/');
    await event(dial(gated.url), 'connect');
    expect(gated.keeper.examined).toBe(0);
  });

  it('is closed, and not answered, when it is to come again', async () => {
    const gated = await serve();
    gated.keeper.policy = () => (gated.keeper.examined < 3 ? 'retry' : 'admit');
    const client = dial(gated.url, { reconnection: true, reconnectionDelay: 5 });
    const errors: unknown[] = [];
    client.on('connect_error', (error) => errors.push(error));
    expect(await event(client, 'disconnect')).toBe('transport close');
    await event(client, 'connect');
    expect([gated.keeper.examined, errors]).toEqual([3, []]);
  });

  it('is closed when the examination fails, which is reported', async () => {
    const gated = await serve();
    const client = await raw(gated);
    await client.send('40');
    const error = new Error('broken keeper');
    (await gated.keeper.examinations.next()).fail(error);
    await client.closed;
    expect(gated.keeper.failures).toEqual([error]);
  });

  it('is closed when a middleware throws, which is reported', async () => {
    const gated = await serve();
    const error = new Error('broken middleware');
    gated.io.use(() => {
      throw error;
    });
    gated.keeper.policy = () => 'admit';
    const client = await raw(gated);
    await client.send('40');
    await client.closed;
    expect(gated.keeper.failures).toEqual([error]);
    expect(preConnected(gated.io.of('/'))).toBe(0);
  });

  it('is closed when the time is over, and what is decided then does not count', async () => {
    const gated = await serve();
    gated.keeper.timeout = 30;
    const client = await raw(gated);
    await client.send('40');
    const { signal, socket, decide } = await gated.keeper.examinations.next();
    void socket.join('room');
    await client.closed;
    expect([signal.aborted, signal.reason]).toEqual([true, OUT_OF_TIME]);
    decide('admit');
    await turn();
    expect([gated.io.of('/').sockets.size, preConnected(gated.io.of('/'))]).toEqual([0, 0]);
    expect(gated.io.of('/').adapter.rooms.size).toBe(0);
  });
});

describe('a client that goes while it is examined', () => {
  it.each([
    ['a client that is let in too late', 'admit'],
    ['a client that is refused too late', { message: 'no', data: {} }],
  ] as [string, Verdict][])('leaves nothing behind: %s', async (_what, verdict) => {
    const gated = await serve();
    const seen: unknown[] = [];
    gated.io.use((_socket, next) => {
      seen.push('middleware');
      next();
    });
    gated.io.on('connection', () => seen.push('connection'));
    const client = await raw(gated);
    await client.send('40');
    const { signal, socket, decide } = await gated.keeper.examinations.next();
    void socket.join('room');
    const aborted = once(signal, 'abort');
    client.cut();
    await aborted;
    expect(signal.reason).not.toBe(OUT_OF_TIME);
    decide(verdict);
    await turn();
    const namespace = gated.io.of('/');
    expect([seen, namespace.sockets.size, preConnected(namespace)]).toEqual([[], 0, 0]);
    expect([namespace.adapter.rooms.size, socket.conn.listenerCount('close')]).toEqual([0, 0]);
  });

  it('leaves nothing behind when it is closed for having joined nothing', async () => {
    const gated = await serve({ connectTimeout: 30 });
    const client = await raw(gated);
    await client.send('40');
    const { signal } = await gated.keeper.examinations.next();
    await client.closed;
    expect([signal.aborted, signal.reason === OUT_OF_TIME]).toEqual([true, false]);
  });

  it('leaves nothing behind when the server closes', async () => {
    const gated = await serve();
    const client = await raw(gated);
    await client.send('40');
    const { signal } = await gated.keeper.examinations.next();
    await gated.io.close();
    expect(signal.aborted).toBe(true);
    await client.closed;
  });

  it('leaves nothing behind when it goes before a middleware is done', async () => {
    const gated = await serve();
    let goOn!: () => void;
    const reached = new Promise<Socket>((resolve) => {
      gated.io.use((socket, next) => {
        goOn = next;
        resolve(socket);
      });
    });
    gated.keeper.policy = () => 'admit';
    const client = await raw(gated);
    await client.send('40');
    const { conn } = await reached;
    const closed = event(conn, 'close');
    client.cut();
    await closed;
    goOn();
    await turn();
    expect([gated.io.of('/').sockets.size, preConnected(gated.io.of('/'))]).toEqual([0, 0]);
  });
});

describe('a client that breaks the protocol at the gate', () => {
  it('is closed when it sends before it is let in', async () => {
    const gated = await serve();
    for (const packet of ['42["early"]', '41', '420["early, with an acknowledgement"]']) {
      /* oxlint-disable no-await-in-loop */
      const client = await raw(gated);
      await client.send('40');
      const { signal, socket, decide } = await gated.keeper.examinations.next();
      const closed = event(socket.conn, 'close');
      await client.send(packet);
      expect(await closed).toBe('forced close');
      expect(signal.aborted).toBe(true);
      expect(gated.keeper.violations.splice(0)).toEqual(['/ sent before it was let in']);
      decide('admit');
      await client.closed;
      /* oxlint-enable no-await-in-loop */
    }
    expect(gated.io.of('/').sockets.size).toBe(0);
  });

  it('does not set off a second examination by asking the same again, and gets one answer', async () => {
    const gated = await serve();
    const client = await raw(gated);
    for (let times = 0; times < 5; times += 1) await client.send('40{"token":"a"}'); // oxlint-disable-line no-await-in-loop
    const { decide } = await gated.keeper.examinations.next();
    // the answer to this says that the server has them all
    await client.send('40/nowhere,');
    expect(await client.next()).toBe('44/nowhere,{"message":"Invalid namespace"}');
    decide('admit');
    expect(await client.next()).toMatch(/^40\{"sid"/);
    expect(gated.keeper.examined).toBe(1);
    expect(gated.io.of('/').sockets.size).toBe(1);
  });

  it('is closed when it asks again as somebody else', async () => {
    const gated = await serve();
    const client = await raw(gated);
    await client.send('40{"token":"a"}');
    const { decide, signal } = await gated.keeper.examinations.next();
    await client.send('40{"token":"b"}');
    await once(signal, 'abort');
    decide('admit');
    await client.closed;
    expect(gated.keeper.examined).toBe(1);
    expect(gated.keeper.violations).toEqual(['/ asked to join again, as somebody else']);
    expect(gated.io.of('/').sockets.size).toBe(0);
  });

  it('is closed when it asks as somebody else while middlewares run', async () => {
    const gated = await serve();
    let goOn!: () => void;
    const reached = new Promise<void>((resolve) => {
      gated.io.use((_socket, next) => {
        goOn = next;
        resolve();
      });
    });
    gated.keeper.policy = () => 'admit';
    const client = await raw(gated);
    await client.send('40{"token":"a"}');
    await reached;
    await client.send('40{"token":"b"}');
    await client.closed;
    goOn();
    await turn();
    expect([gated.keeper.examined, gated.io.of('/').sockets.size, preConnected(gated.io.of('/'))]).toEqual([1, 0, 0]);
  });
});

describe('a stock client with two namespaces', () => {
  it('that disconnects and connects again while it is examined is let in once', async () => {
    const gated = await serve();
    gated.keeper.unguarded.add('/free');
    gated.io.of('/free').on('connection', (socket) => socket.on('ping', (answer: () => void) => answer()));
    gated.io.of('/guarded');
    const free = dial(`${gated.url}/free`);
    await event(free, 'connect');
    const guarded = free.io.socket('/guarded', { auth: { token: 'a' } } as never);
    guarded.connect();
    const { decide } = await gated.keeper.examinations.next();
    guarded.disconnect();
    guarded.connect();
    const connected = event(guarded, 'connect');
    // the server has both requests when it answers this
    await free.emitWithAck('ping');
    decide('admit');
    await connected;
    expect([gated.keeper.examined, gated.io.of('/guarded').sockets.size]).toEqual([1, 1]);
  });
});

describe('a namespace of a pattern', () => {
  it('has the pattern before it in its lineage', async () => {
    const gated = await serve();
    gated.io.of(/^\/room-\d+$/);
    gated.io.of((name, _auth, next) => next(null, name === '/by-function'));
    for (const name of ['/room-1', '/room-2', '/by-function']) {
      /* oxlint-disable no-await-in-loop */
      dial(gated.url + name);
      const { lineage, decide } = await gated.keeper.examinations.next();
      expect(lineage).toEqual([expect.stringMatching(/^\/_\d+$/), name]);
      decide('admit');
      /* oxlint-enable no-await-in-loop */
    }
  });

  it('does not go away under those who are examined, and does with the last one', async () => {
    const gated = await serve({ cleanupEmptyChildNamespaces: true });
    gated.io.of(/^\/room$/);
    const first = dial(`${gated.url}/room`);
    const waiting = await gated.keeper.examinations.next();
    const second = await raw(gated);
    await second.send('40/room,');
    (await gated.keeper.examinations.next()).decide({ message: 'no', data: {} });
    await second.next();
    expect(gated.io._nsps.has('/room')).toBe(true);
    waiting.decide('admit');
    await event(first, 'connect');
    expect(gated.io.of('/room').sockets.size).toBe(1);
    const left = event(waiting.socket, 'disconnect');
    first.disconnect();
    await left;
    expect(gated.io._nsps.has('/room')).toBe(false);
  });

  it('goes away when the only one who asked is refused', async () => {
    const gated = await serve({ cleanupEmptyChildNamespaces: true });
    gated.io.of(/^\/room$/);
    gated.keeper.policy = () => ({ message: 'no', data: {} });
    const client = await raw(gated);
    await client.send('40/room,');
    expect(await client.next()).toBe('44/room,{"message":"no","data":{}}');
    expect(gated.io._nsps.has('/room')).toBe(false);
  });
});

describe('recovery', () => {
  /** A client that has been away, with what it needs to come back; something was sent to it meanwhile. */
  async function away(gated: Gated): Promise<{ pid: string; offset: string; id: string }> {
    gated.keeper.policy = (socket) => {
      socket.data.role = 'member';
      return 'admit';
    };
    const connected = event(gated.io, 'connection');
    const client = await raw(gated);
    await client.send('40');
    const { sid, pid } = JSON.parse(String(await client.next()).slice(2)) as { sid: string; pid: string };
    const socket = (await connected) as Socket;
    void socket.join('room');
    socket.data.kept = 1;
    gated.io.emit('before');
    const [, offset] = JSON.parse(String(await client.next()).slice(2)) as [string, string];
    const left = event(socket, 'disconnect');
    client.cut();
    await left;
    gated.io.to('room').emit('secret');
    return { pid, offset, id: sid };
  }

  it('sends a client that is refused not one missed packet, and touches no session', async () => {
    const gated = await serve({ connectionStateRecovery: {} });
    const { pid, offset } = await away(gated);
    const restored: unknown[] = [];
    const { adapter } = gated.io.of('/');
    const { restoreSession } = adapter;
    adapter.restoreSession = (...args) => {
      restored.push(args);
      return restoreSession.apply(adapter, args);
    };
    gated.keeper.policy = () => ({ message: 'revoked', data: {} });
    const client = await raw(gated);
    await client.send(`40${JSON.stringify({ pid, offset })}`);
    expect(await client.next()).toBe('44{"message":"revoked","data":{}}');
    // an answer to this would come after anything that was sent before
    await client.send('40/nowhere,');
    expect(await client.next()).toBe('44/nowhere,{"message":"Invalid namespace"}');
    expect(restored).toEqual([]);
  });

  it('restores a client that is let in: what was found out now wins over what was known', async () => {
    const gated = await serve({ connectionStateRecovery: {} });
    const { pid, offset, id } = await away(gated);
    const examined: Socket[] = [];
    gated.keeper.policy = (socket) => {
      examined.push(socket);
      void socket.join('of the guard');
      socket.data.role = 'guest';
      return 'admit';
    };
    const connected = event(gated.io, 'connection');
    const client = await raw(gated);
    await client.send(`40${JSON.stringify({ pid, offset })}`);
    expect(await client.next()).toMatch(/^42\["secret"/);
    expect(await client.next()).toBe(`40${JSON.stringify({ sid: id, pid })}`);
    const socket = (await connected) as Socket;
    expect(socket).toMatchObject({ recovered: true, id, data: { kept: 1, role: 'guest' } });
    expect(socket.rooms).toEqual(new Set([id, 'room', 'of the guard']));
    expect(socket).not.toBe(examined[0]);
    expect(gated.io.of('/').adapter.sids.size).toBe(1);
    expect(preConnected(gated.io.of('/'))).toBe(0);
  });

  it('is left out when the examination takes the pid away', async () => {
    const gated = await serve({ connectionStateRecovery: {} });
    const { pid, offset, id } = await away(gated);
    gated.keeper.policy = (socket) => {
      delete socket.handshake.auth['pid'];
      return 'admit';
    };
    const client = await raw(gated);
    await client.send(`40${JSON.stringify({ pid, offset })}`);
    const answer = String(await client.next());
    expect(answer).toMatch(/^40\{"sid"/);
    expect(answer).not.toContain(id);
  });

  it('lets a client with a pid that nobody knows in as a new one', async () => {
    const gated = await serve({ connectionStateRecovery: {} });
    gated.keeper.policy = () => 'admit';
    const connected = event(gated.io, 'connection');
    const client = await raw(gated);
    await client.send('40{"pid":"unknown","offset":"x"}');
    expect(await client.next()).toMatch(/^40\{"sid"/);
    expect(((await connected) as Socket).recovered).toBe(false);
    expect(gated.io.of('/').adapter.sids.size).toBe(1);
  });
});

describe('a client of protocol 3', () => {
  const dialOld = async ({ port }: Gated, query = ''): Promise<WsClient> => {
    const client = new WsClient(`ws://127.0.0.1:${port}/socket.io/?EIO=3&transport=websocket${query}`);
    cleanups.push(() => client.cut());
    await client.opened;
    expect(String(await client.next())).toMatch(/^0\{/);
    return client;
  };

  it('is examined for the main namespace unasked, and is told as middlewares tell it', async () => {
    const gated = await serve();
    const client = await dialOld(gated, '&token=t');
    const { socket, decide } = await gated.keeper.examinations.next();
    expect(socket.handshake).toMatchObject({ auth: {}, query: { token: 't' } });
    decide({ message: 'no', data: { code: 'NO' } });
    expect(await client.next()).toBe('44{"code":"NO"}');
  });

  it('is examined for other namespaces with their query', async () => {
    const gated = await serve();
    gated.io.of('/admin');
    const client = await dialOld(gated);
    (await gated.keeper.examinations.next()).decide('admit');
    expect(await client.next()).toBe('40');
    await client.send('40/admin?token=t,');
    const { socket, decide } = await gated.keeper.examinations.next();
    expect(socket.handshake.auth).toEqual({ token: 't' });
    decide('admit');
    expect(await client.next()).toBe('40/admin,');
  });
});
