import { afterEach } from '@jest/globals';
import type { EventEmitter } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { Queue } from './wire-queue.js';

/**
 * The engine under test. With NESTWIRE_ORACLE=engine.io in the environment the same tests run against the stock
 * engine.io instead: that is how we know that a test asks for what existing clients and applications rely on.
 * Where we differ from stock on purpose, the test sits in an `if (ours)`.
 */
export const ours = process.env.NESTWIRE_ORACLE !== 'engine.io';

/**
 * With NESTWIRE_RELAYED=1 every request of a session takes the way through another node, as it does behind a balancer that
 * is not sticky. A client must not see the difference; where it does on purpose, the test sits in an `if (!relayed)`.
 */
export const relayed = process.env.NESTWIRE_RELAYED === '1';

type Options = Record<string, unknown>;
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => unknown;

export interface EngineLike extends EventEmitter {
  opts: Options;
  clientsCount: number;
  clients: unknown;
  httpServer?: Server;
  use(middleware: Middleware): void;
  generateId(req: IncomingMessage): string | PromiseLike<string>;
  attach(server: Server, options?: Options): void;
  detach?(server?: Server): void;
  handleRequest(req: IncomingMessage, res: ServerResponse): void;
  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): unknown;
}

export interface SessionLike extends EventEmitter {
  id: string;
  request: IncomingMessage & { _query?: Record<string, string> };
  protocol: 3 | 4;
  remoteAddress: string;
  readyState: string;
  transport: { name: string; writable: boolean };
  upgraded: boolean;
  upgrading: boolean;
  writeBuffer: unknown[];
  send(data: unknown, options?: unknown, callback?: (transport: unknown) => void): SessionLike;
  write(data: unknown, options?: unknown, callback?: (transport: unknown) => void): SessionLike;
  close(discard?: boolean): void;
}

export interface ConnectionError {
  req: IncomingMessage;
  code: number;
  message: string;
  context: Record<string, unknown>;
}

interface Implementation {
  create(options: Options): EngineLike;
  attach(server: Server, options: Options): EngineLike;
  listen(port: number, options: Options, callback?: () => void): EngineLike;
}

async function load(): Promise<Implementation> {
  if (ours) {
    const { Engine, attach, listen } = await import('nestwire/engine');
    return { create: (options: Options) => new Engine(options), attach, listen } as unknown as Implementation;
  }
  const { Server: Stock, attach, listen } = await import('engine.io');
  return { create: (options: Options) => new Stock(options), attach, listen } as unknown as Implementation;
}

const implementation = await load();
export const createEngine = implementation.create;
export const attachEngine = implementation.attach;
export const listenEngine = implementation.listen;

/** Where a client connects to, and who ends the client when the test is over. */
export interface Target {
  url: string;
  port: number;
  onTeardown(undo: () => unknown): void;
}

export interface Harness extends Target {
  engine: EngineLike;
  server: Server;
  sessions: Queue<SessionLike>;
  errors: Queue<ConnectionError>;
}

export interface StartOptions {
  /** Called before the engine is attached. */
  before?: (server: Server) => void;
  /** Called with the engine before it is attached. */
  configure?: (engine: EngineLike) => void;
  attach?: Options;
}

/**
 * Engine options of a test: the transports of this suite, long heartbeats so that no ping gets in the way, and whatever
 * the test adds.
 */
export function engineOptions(options: Options = {}): Options {
  const own = ['eventsource', 'multipart', 'htmlfile', 'jsonp', 'flashsocket', 'webtransport'];
  const transports = ['polling', 'websocket', ...(ours ? own : [])];
  return { transports, allowEIO3: true, ...(ours && { drafts: true }), ...options };
}

/** A function that starts an engine on a free loopback port; all of them, and their clients, end after each test. */
export function useEngines(): (options?: Options, start?: StartOptions) => Promise<Harness> {
  const teardown: (() => unknown)[] = [];
  afterEach(async () => {
    for (const undo of teardown.splice(0).toReversed()) await undo();
  });
  return async (options = {}, { before, configure, attach = {} } = {}) => {
    const server = createServer();
    before?.(server);
    const engine = createEngine(engineOptions(options));
    configure?.(engine);
    if (relayed) await putNodeInFront(engine, server, attach, engineOptions(options), (undo) => teardown.push(undo));
    else engine.attach(server, attach);
    const port = await listening(server);
    const path =
      String(attach.path ?? '/engine.io').replace(/\/$/, '') + (attach.addTrailingSlash === false ? '' : '/');
    const sessions = new Queue<SessionLike>();
    const errors = new Queue<ConnectionError>();
    engine.on('connection', (session: SessionLike) => sessions.push(session));
    engine.on('connection_error', (error: ConnectionError) => errors.push(error));
    teardown.push(async () => {
      engine.close();
      await stop(server);
    });
    return {
      engine,
      server,
      sessions,
      errors,
      port,
      url: `http://127.0.0.1:${port}${path}`,
      onTeardown: (undo) => teardown.push(undo),
    };
  };
}

/** Answers handshakes by an engine, and all other requests by another node, which hands them to that engine. */
export async function putNodeInFront(
  engine: EngineLike,
  server: Server,
  attach: Options,
  options: Options,
  onTeardown: (undo: () => unknown) => void,
): Promise<void> {
  const { startNode, namesSession } = await import('../scale-out/support.js');
  const { MemoryNodeRegistry } = await import('../../lib/scale-out/memory-registry.js');
  const registry = new MemoryNodeRegistry();
  const owner = await startNode({ registry, attached: { engine: engine as never, server: createServer() } });
  const front = createServer();
  const other = await startNode({ registry, engine: options, attached: { server: front } });
  engine.attach(server, attach);
  other.engine.attach(front, attach);
  // what a test does to the engine is done on every node
  other.engine.on('connection_error', (error: ConnectionError) => engine.emit('connection_error', error));
  const use = engine.use.bind(engine);
  engine.use = (middleware) => {
    other.engine.use(middleware);
    return use(middleware);
  };
  for (const name of ['request', 'upgrade']) {
    const toOwner = server.listeners(name)[0] as (...args: unknown[]) => void;
    const toOther = front.listeners(name)[0] as (...args: unknown[]) => void;
    server.removeAllListeners(name);
    server.on(name, (...args: [IncomingMessage]) => (namesSession(args[0]) ? toOther(...args) : toOwner(...args)));
  }
  onTeardown(() => Promise.all([owner.close(), other.close()]));
}

export async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Resolves with the arguments of the next such event; unlike events.once it does not watch 'error'. */
export function event(emitter: EventEmitter, name: string): Promise<unknown[]> {
  return new Promise((resolve) => emitter.once(name, (...args: unknown[]) => resolve(args)));
}

export interface Closed {
  reason: string;
  description?: unknown;
}

export async function sessionClosed(session: SessionLike): Promise<Closed> {
  const [reason, description] = await event(session, 'close');
  return { reason: reason as string, description };
}

/** Waits, by polling on the event loop, for what no event announces. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Sends until the transport stays unwritable, for a client that does not read; returns the number of messages. */
export async function backUp(session: SessionLike): Promise<number> {
  const large = 'x'.repeat(262_144);
  for (let sent = 0; ; sent++) {
    await new Promise(setImmediate);
    if (!session.transport.writable) {
      await new Promise((resolve) => setTimeout(resolve, 30)); // a write that ends at once is not a backlog
      if (!session.transport.writable) return sent;
    }
    session.send(large);
  }
}
