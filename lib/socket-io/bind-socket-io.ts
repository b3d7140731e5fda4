import { createServer, type Server as HttpServer } from 'node:http';
import { Server, type ServerOptions } from 'socket.io';
import { Engine, type AttachOptions, type EngineOptions } from '../engine/index.js';
import { ClientFiles } from './client-files.js';

/** Where socket.io listens unless told otherwise. */
export const DEFAULT_PATH = '/socket.io';

/** Options of socket.io itself, above the engine. */
export type SocketIoOptions = Partial<
  Pick<
    ServerOptions,
    'adapter' | 'parser' | 'serveClient' | 'connectTimeout' | 'connectionStateRecovery' | 'cleanupEmptyChildNamespaces'
  >
>;

/** Options of a socket.io server on our engine. Names and defaults are socket.io's; the path is `/socket.io`. */
export type BoundServerOptions = EngineOptions & AttachOptions & SocketIoOptions;

/** What the typings of socket.io hold back but its documentation and its users do not. */
interface ServerInternals {
  httpServer?: HttpServer;
  engine: unknown;
}

/**
 * Makes a socket.io server whose engine is ours.
 *
 * @param target the HTTP server to share, or the port for one of its own, which answers 404 to everything else;
 *   port 0 is any free one.
 * @throws InvalidOptionError when an option cannot be honoured.
 */
export function createSocketIoServer(target: HttpServer | number, options: BoundServerOptions = {}): Server {
  const path = normalizePath(options.path);
  const opts = { ...options, path, ...recoveryOptions(options) };
  // the engine's own typings differ from stock ones in `transports` and `cors`, which socket.io only passes on
  const io = new Server(opts as Partial<ServerOptions>);
  const engine = new Engine(opts);
  if (options.serveClient !== false) engine.onStatic = new ClientFiles(path, options.cors, engine.usesFlash).handle;
  io.bind(engine);
  const httpServer = typeof target === 'number' ? createServer(answerNotFound) : target;
  engine.attach(httpServer, opts);
  // io.close() closes this server, and adapters compare it with theirs
  (io as unknown as ServerInternals).httpServer = httpServer;
  if (typeof target === 'number') httpServer.listen(target);
  return io;
}

/**
 * Closes a socket.io server, and the HTTP server unless that is left to its owner. Resolves when all is closed.
 * What is open and idle on the HTTP server is ended: a kept-alive connection of a client that polled would hold it open
 * for seconds.
 */
export async function closeSocketIoServer(io: Server, { keepHttpServer = false } = {}): Promise<void> {
  const internals = io as unknown as ServerInternals;
  const { httpServer } = internals;
  if (keepHttpServer) internals.httpServer = undefined;
  const closed = io.close();
  if (keepHttpServer || typeof httpServer?.closeIdleConnections !== 'function') return closed;
  const sweep = setInterval(() => httpServer.closeIdleConnections(), IDLE_SWEEP_INTERVAL);
  return closed.finally(() => clearInterval(sweep));
}

/** Milliseconds between two looks for connections that became idle while their server closes. */
const IDLE_SWEEP_INTERVAL = 50;

/** Two spellings of one path are one server. */
export function normalizePath(path: string | undefined): string {
  return (path || DEFAULT_PATH).replace(/\/$/, '');
}

/**
 * Middlewares run also for a recovered session. A guard is a middleware: whoever lost the right to connect while he was
 * away must not come back by recovery.
 */
function recoveryOptions({ connectionStateRecovery }: BoundServerOptions): SocketIoOptions {
  if (!connectionStateRecovery) return {};
  return { connectionStateRecovery: { ...connectionStateRecovery, skipMiddlewares: false } };
}

function answerNotFound(_request: unknown, response: { writeHead(status: number): { end(): void } }): void {
  response.writeHead(404).end();
}
