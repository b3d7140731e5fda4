import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Engine, type EngineOptions } from 'nestwire/engine';
import { Server } from 'socket.io';
import type { Socket } from 'socket.io-client';

/** A socket.io server on our engine, with all transports that the client has. */
export interface Live {
  io: Server;
  engine: Engine;
  http: HttpServer;
  port: number;
  url: string;
  close(): Promise<void>;
}

export const STREAMING = ['eventsource', 'multipart'] as const;
export const ALL = ['websocket', 'eventsource', 'multipart', 'polling'] as const;

/** Starts a server that answers `echo` with what it was sent, as an event and as the ack. */
export async function startLive(options: EngineOptions = {}): Promise<Live> {
  const engine = new Engine({ transports: [...ALL], ...options });
  const io = new Server();
  io.bind(engine as never);
  const http = createServer();
  engine.attach(http, { path: '/socket.io' });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  io.on('connection', (socket) => {
    socket.on('echo', (...args: unknown[]) => {
      const ack = typeof args.at(-1) === 'function' ? (args.pop() as (...values: unknown[]) => void) : undefined;
      socket.emit('echo', ...args);
      ack?.(...args);
    });
  });
  return {
    io,
    engine,
    http,
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      io.disconnectSockets(true);
      engine.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** An engine without socket.io above it. */
export type Bare = Engine & { port: number; close(): Promise<void> };

export async function startBare(options: EngineOptions = {}): Promise<Bare> {
  const engine = new Engine({ transports: [...ALL], ...options });
  const http = createServer();
  engine.attach(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const closeEngine = engine.close.bind(engine);
  return Object.assign(engine, {
    port: (http.address() as AddressInfo).port,
    async close() {
      closeEngine();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  }) as unknown as Bare;
}

/** The next event of a client, or an error when it is disconnected first. */
export function nextEvent(socket: Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const lost = (reason: string) => reject(new Error(`disconnected: ${reason}`));
    socket.once(event, (...args: unknown[]) => {
      socket.off('disconnect', lost);
      resolve(args);
    });
    if (event !== 'disconnect') socket.once('disconnect', lost);
  });
}

/** Waits until something holds; what changes it may be anywhere. */
export async function until(holds: () => boolean, what: string, milliseconds = 10_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
