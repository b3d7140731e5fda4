import { afterEach } from '@jest/globals';
import type { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { Server, type Socket } from 'socket.io';
import { createEngine, listening, putNodeInFront, relayed, stop, until, type EngineLike } from './wire-engine.js';
import { Queue } from './wire-queue.js';

/** What the tests use of a client of any version. */
export interface Client {
  id: string;
  connected: boolean;
  /** Client 4.6 and newer: whether the last connect restored the session. */
  recovered?: boolean;
  /** Client 3 and newer. */
  volatile?: { emit(event: string, ...args: unknown[]): unknown };
  io: EventEmitter & {
    engine: {
      id: string;
      transport: { name: string };
      close(): void;
    };
  };
  on(event: string, listener: (...args: never[]) => void): Client;
  once(event: string, listener: (...args: never[]) => void): Client;
  emit(event: string, ...args: unknown[]): Client;
  close(): Client;
  connect(): Client;
}

type Connect = (url: string, options?: object) => Client;

export interface ClientVersion {
  version: string;
  connect: Connect;
  /** Revision of the Engine.IO protocol. */
  protocol: 3 | 4;
  /** The event by which a refused connection is told, and what it carries. */
  refusal: 'connect_error' | 'error';
  /** Whether it asks for connection state recovery. */
  recovers: boolean;
  /** What it says to the application when it closes its own engine. */
  ownEngineClose: string;
}

const require = createRequire(import.meta.url);

function load(name: string): Connect {
  const loaded = require(name) as Connect & { io?: Connect };
  return loaded.io ?? loaded;
}

const since3 = { protocol: 4, refusal: 'connect_error', ownEngineClose: 'forced close' } as const;

export const versions: ClientVersion[] = [
  { version: '4.8', connect: load('socket.io-client'), recovers: true, ...since3 },
  { version: '4.0', connect: load('socket.io-client-4.0'), recovers: false, ...since3 },
  { version: '3.1', connect: load('socket.io-client-3'), recovers: false, ...since3 },
  {
    version: '2.5',
    connect: load('socket.io-client-2'),
    protocol: 3,
    refusal: 'error',
    recovers: false,
    ownEngineClose: 'forced close',
  },
];

export interface Mode {
  mode: string;
  transports: string[];
  /** The transport it ends with. */
  settles: string;
}

export const modes: Mode[] = [
  { mode: 'polling', transports: ['polling'], settles: 'polling' },
  { mode: 'websocket', transports: ['websocket'], settles: 'websocket' },
  { mode: 'polling, then websocket', transports: ['polling', 'websocket'], settles: 'websocket' },
];

/** Every client version over every way to connect. */
export const combinations = versions.flatMap((version) => modes.map((mode) => ({ ...version, ...mode })));
export type Combination = (typeof combinations)[number];

export interface SocketIoHarness {
  io: Server;
  engine: EngineLike;
  /** Sockets of the main namespace, in the order they connect. */
  sockets: Queue<Socket>;
  /** A client that is connecting. */
  dial(combination: Combination, path?: string, options?: object): Client;
  /** A client that is connected, over the transport it settles with, and its socket at the server. */
  join(combination: Combination, options?: object): Promise<{ client: Client; socket: Socket }>;
}

/** A function that starts a stock socket.io Server on our engine; it and its clients end after each test. */
export function useSocketIo(): (engineOptions?: object, serverOptions?: object) => Promise<SocketIoHarness> {
  const teardown: (() => unknown)[] = [];
  afterEach(async () => {
    for (const undo of teardown.splice(0).toReversed()) await undo();
  });
  return async (engineOptions = {}, serverOptions = {}) => {
    const server = createServer();
    const options = { allowEIO3: true, ...engineOptions };
    const engine = createEngine(options);
    const attach = { path: '/socket.io' };
    if (relayed) await putNodeInFront(engine, server, attach, options, (undo) => teardown.push(undo));
    else engine.attach(server, attach);
    const io = new Server(serverOptions);
    io.bind(engine as never);
    const sockets = new Queue<Socket>();
    io.on('connection', (socket) => sockets.push(socket));
    const port = await listening(server);
    teardown.push(async () => {
      await io.close();
      await stop(server);
    });

    const dial: SocketIoHarness['dial'] = ({ connect, transports }, path = '/', options = {}) => {
      const client = connect(`http://127.0.0.1:${port}${path}`, {
        transports,
        forceNew: true,
        reconnectionDelay: 10,
        reconnectionDelayMax: 20,
        ...options,
      });
      teardown.push(() => client.close());
      return client;
    };
    const join: SocketIoHarness['join'] = async (combination, options = {}) => {
      const client = dial(combination, '/', options);
      await arrival(client, 'connect');
      const socket = await sockets.next();
      await settled(combination, client, socket);
      return { client, socket };
    };
    return { io, engine, sockets, dial, join };
  };
}

/** Resolves when both sides use the transport that the combination ends with. */
export async function settled({ settles }: Combination, client: Client, socket: Socket): Promise<void> {
  await until(() => client.io.engine.transport.name === settles && socket.conn.transport.name === settles);
}

/** Lets a client send nothing any more, heartbeats included, while it goes on receiving. */
export function silence({ io: { engine } }: Client): void {
  // the name of the method changed with 4.8
  const name = '_sendPacket' in engine ? '_sendPacket' : 'sendPacket';
  Object.assign(engine, { [name]: () => {} });
}

/** The arguments of the next such event. */
export function arrival(
  emitter: { once(event: string, listener: (...args: never[]) => void): unknown },
  event: string,
) {
  return new Promise<unknown[]>((resolve) => emitter.once(event, (...args: unknown[]) => resolve(args)));
}
