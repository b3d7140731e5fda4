import type { AddressInfo, Server as NetServer } from 'node:net';
import type {
  DynamicModule,
  INestApplication,
  LoggerService,
  NestApplicationOptions,
  Provider,
  Type,
  WebSocketAdapter,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { NestwireAdapter, type NestwireOptions } from 'nestwire';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';

/** A log that can be looked at. */
export class RecordingLogger implements LoggerService {
  readonly errors: unknown[] = [];
  readonly warnings: unknown[] = [];

  log(): void {}
  error(message: unknown): void {
    this.errors.push(message);
  }
  warn(message: unknown): void {
    this.warnings.push(message);
  }
  /** Errors as text. */
  errorTexts(): string[] {
    return this.errors.map((error) => (error instanceof Error ? error.message : String(error)));
  }
}

export type Platform = 'express' | 'fastify';

export interface StartOptions {
  providers?: Provider[];
  controllers?: Type[];
  imports?: (Type | DynamicModule | Promise<DynamicModule>)[];
  adapter?: (app: INestApplication) => WebSocketAdapter;
  platform?: Platform;
  options?: NestApplicationOptions;
  /** Before the application listens. */
  prepare?: (app: INestApplication) => void | Promise<void>;
}

export interface RunningApp {
  readonly app: INestApplication;
  readonly url: string;
  readonly logger: RecordingLogger;
}

/** The adapters that have to behave alike. */
export const ADAPTERS: [name: string, create: (app: INestApplication) => WebSocketAdapter][] = [
  ['IoAdapter', (app) => new IoAdapter(app)],
  ['NestwireAdapter', (app) => new NestwireAdapter(app)],
  ['NestwireAdapter with errors: nest', (app) => new NestwireAdapter(app, { errors: 'nest' })],
];

export const nestwire =
  (options?: NestwireOptions) =>
  (app: INestApplication): WebSocketAdapter =>
    new NestwireAdapter(app, options);

const cleanups: (() => unknown)[] = [];

/** Runs at the end of the case; last registered, first run. */
export function afterCase(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** Closes everything that the case has opened. */
export async function cleanUp(): Promise<void> {
  // one after the other: clients go before their servers
  // oxlint-disable-next-line no-await-in-loop
  while (cleanups.length > 0) await cleanups.pop()!();
}

/** Cleans up after each case of a file, and fails one in which something happened that ends the process. */
export function expectNothingFatal(): void {
  const fatal: unknown[] = [];
  const onFatal = (error: unknown): number => fatal.push(error);

  beforeEach(() => {
    fatal.length = 0;
    process.on('unhandledRejection', onFatal);
    process.on('uncaughtException', onFatal);
  });

  afterEach(async () => {
    await cleanUp();
    process.off('unhandledRejection', onFatal);
    process.off('uncaughtException', onFatal);
    expect(fatal).toEqual([]);
  });
}

export async function createApp(start: StartOptions): Promise<{ app: INestApplication; logger: RecordingLogger }> {
  const logger = new RecordingLogger();
  const builder = Test.createTestingModule({
    imports: start.imports ?? [],
    providers: start.providers ?? [],
    controllers: start.controllers ?? [],
  });
  builder.setLogger(logger);
  const testingModule = await builder.compile();
  const http = start.platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = testingModule.createNestApplication(http, { logger, ...start.options });
  afterCase(() => app.close());
  app.useWebSocketAdapter((start.adapter ?? nestwire())(app));
  await start.prepare?.(app);
  return { app, logger };
}

/** An application that listens on a free port of the loopback. */
export async function startApp(start: StartOptions): Promise<RunningApp> {
  const { app, logger } = await createApp(start);
  await app.listen(0, '127.0.0.1');
  return { app, url: urlOf(app.getHttpServer() as NetServer), logger };
}

export function urlOf(server: NetServer): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export { freePort } from '../support/free-port.js';

type ClientOptions = Partial<ManagerOptions & SocketOptions>;

/** A stock client, not connected yet. */
export function client(url: string, options: ClientOptions = {}): Socket {
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    autoConnect: false,
    ...options,
  });
  afterCase(() => socket.disconnect());
  return socket;
}

/** A stock client that is connected. */
export async function connect(url: string, options: ClientOptions = {}): Promise<Socket> {
  const socket = client(url, options);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  socket.connect();
  await connected;
  return socket;
}

/** A stock client that connected by polling and has changed to WebSocket. */
export async function connectAndUpgrade(url: string): Promise<Socket> {
  const socket = await connect(url, { transports: ['polling', 'websocket'] });
  const { engine } = socket.io;
  if (engine.transport.name !== 'websocket') await new Promise((resolve) => engine.once('upgrade', resolve));
  return socket;
}

/** The next event of that name: its arguments, one alone as it is. */
export function next(socket: Socket, event: string): Promise<any> {
  return new Promise((resolve) =>
    socket.once(event, (...args: unknown[]) => resolve(args.length > 1 ? args : args[0])),
  );
}

/** All events of that name, as they come. */
export function collect(socket: Socket, event: string): unknown[] {
  const received: unknown[] = [];
  socket.on(event, (value: unknown) => received.push(value));
  return received;
}

/** A promise and what settles it. */
export function deferred<T = void>(): { promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
