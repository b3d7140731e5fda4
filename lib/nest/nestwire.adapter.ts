import type { Server as HttpServer } from 'node:http';
import { Logger, type INestApplicationContext, type WsMessageHandler } from '@nestjs/common';
import { ExternalContextCreator, ModulesContainer, NestApplication, NestApplicationContext } from '@nestjs/core';
import { AbstractWsAdapter } from '@nestjs/websockets';
import type { Observable } from 'rxjs';
import type { Namespace, Server, ServerOptions, Socket } from 'socket.io';
import { closeSocketIoServer, createSocketIoServer, type BoundServerOptions } from '../socket-io/bind-socket-io.js';
import { ApplicationScaleOut } from './application-scale-out.js';
import { ConnectionGuards } from './connection-guards/connection-guards.js';
import { ConnectionHooks } from './connection-hooks.js';
import type { ApplicationEmitters } from './emitters/application-emitters.js';
import { findApplicationEmitters } from './emitters/emitters.module.js';
import { GatewayOptions } from './gateway-options.js';
import { findGateways, findModuleOptions, type Gateway } from './gateways.js';
import { resolveNestOptions } from './nest-options.js';
import type { NestwireOptions } from './nestwire-options.js';
import { RouteTable, type RouteHost } from './route-table.js';
import { setServerContext, type ServerContext } from './server-context.js';
import { ApplicationStreams } from './streams/application-streams.js';
import type { StreamStats } from './streams/stream-route.js';
import { installErrorsFilter } from './ws-errors.filter.js';

/** Options of the adapter; they win over those of `NestwireModule`. */
export interface NestwireAdapterOptions extends NestwireOptions {
  /**
   * The application, when the adapter is made with an HTTP server instead of it. Its gateways are looked up there; without
   * it gateways work as with Nest's own adapter: their hooks are not protected, and errors are answered as Nest does.
   */
  app?: INestApplicationContext;
}

/**
 * Serves the gateways of a Nest application to Socket.IO clients, through Nestwire's engine. Takes the place of
 * `IoAdapter`, also as the base class of an adapter of your own:
 *
 * ```ts
 * app.useWebSocketAdapter(new NestwireAdapter(app));
 * ```
 *
 * @throws Error when a connection guard cannot be had.
 * @throws GatewayOptionsConflictError when two gateways on one server name different values for one option.
 * @throws InvalidOptionError when an option of the Nest layer cannot be honoured; those of the engine are checked when a
 *   server is made.
 */
export class NestwireAdapter extends AbstractWsAdapter {
  protected readonly logger = new Logger(NestwireAdapter.name);
  /** The application's own HTTP server, if it has one. */
  declare protected readonly httpServer: HttpServer | undefined;
  // #private and not `private`: adapters that extended IoAdapter have an `app` or a `servers` of their own
  readonly #app: INestApplicationContext | undefined;
  readonly #serverOptions: BoundServerOptions;
  readonly #gatewayOptions: GatewayOptions;
  readonly #hooks = new ConnectionHooks(this.logger);
  readonly #connectionGuards: ConnectionGuards;
  readonly #context: ServerContext;
  readonly #routeHost: RouteHost;
  readonly #streams: ApplicationStreams;
  readonly #scaleOut: ApplicationScaleOut;
  readonly #emitters: ApplicationEmitters | undefined;
  readonly #servers = new Map<string, Server>();
  /** RegExp namespaces by server and pattern: socket.io would make a second one that no client reaches. */
  readonly #patternNamespaces = new WeakMap<Server, Map<string, Namespace>>();
  readonly #closing = new WeakMap<object, Promise<void>>();
  /** The gateway whose part of a new connection is running. */
  #connecting: RouteTable | null = null;

  /** @param appOrHttpServer the application, or an HTTP server to share; without either, every server gets its own port. */
  constructor(appOrHttpServer?: INestApplicationContext | object, options: NestwireAdapterOptions = {}) {
    super(appOrHttpServer);
    const { app = asApplication(appOrHttpServer), ...given } = options;
    // a context that is not an HTTP application, for example a microservice, has no server to share
    if (app === appOrHttpServer && !(app instanceof NestApplication)) Object.assign(this, { httpServer: undefined });
    this.#app = app;
    const modules = app?.get(ModulesContainer, { strict: false });
    const { nest, serverOptions } = resolveNestOptions(
      { ...(modules && findModuleOptions(modules)), ...defined(given) },
      modules,
    );
    // limits and refusals of the engine belong into the application's log
    this.#serverOptions = { logger: (line) => this.logger.warn(line), ...serverOptions };
    const gateways = modules === undefined ? [] : findGateways(modules);
    this.#connectionGuards = new ConnectionGuards(
      {
        logger: this.logger,
        adapterType: NestwireAdapter,
        everywhere: nest.connectionGuards,
        timeout: nest.connectionGuardTimeout,
        isStarting: () => this.#isStarting(),
      },
      gateways,
    );
    this.#context = {
      errors: modules === undefined ? 'nest' : nest.errors,
      includeCause: nest.includeCause,
      hooks: this.#hooks,
      filters: nest.filters,
      connectionGuards: modules && this.#connectionGuards,
      emitsThroughCluster: false,
      recoverable: nest.recoverable,
    };
    this.#scaleOut = ApplicationScaleOut.of(modules);
    this.#scaleOut.use(nest.scaleOut, (line) => this.logger.warn(line));
    this.#streams = new ApplicationStreams(nest.streams, this.logger);
    this.#routeHost = {
      logger: this.logger,
      ordered: nest.ordering === 'client' ? this.#streams.handlerCalls : null,
      answersByAck: this.#context.errors === 'reply',
      mapPayload: (payload) => this.mapPayload(payload),
    };
    this.#gatewayOptions = new GatewayOptions(
      gateways.map(({ metatype }) => metatype),
      serverOptions.path,
    );
    this.#emitters = modules && findApplicationEmitters(modules);
    this.#emitters?.bind((port, path) => this.#gatewayOptions.serverKey(port, path));
    const contexts = app?.get(ExternalContextCreator, { strict: false });
    for (const gateway of gateways) this.#prepare(gateway, contexts!);
  }

  /** The server for a port and path, or one of its namespaces. Gateways on the same port and path share one server. */
  create(port: number, options?: Partial<ServerOptions> & { namespace?: string | RegExp; server?: Server }): any {
    const { namespace, server, ...rest } = options ?? {};
    if (namespace && typeof server?.of === 'function') return this.#namespaceOf(server, namespace);
    const io = this.#serverFor(port, rest as BoundServerOptions);
    return namespace ? this.#namespaceOf(io, namespace) : io;
  }

  /**
   * Makes a socket.io server. Override it to set an adapter of socket.io's, as with `IoAdapter`:
   *
   * ```ts
   * createIOServer(port: number, options?: ServerOptions) {
   *   const server = super.createIOServer(port, options);
   *   server.adapter(this.redisAdapter);
   *   return server;
   * }
   * ```
   *
   * @param port 0 for the application's own HTTP server.
   * @param options what the gateways of this server name, merged.
   */
  createIOServer(port: number, options?: any): any {
    const merged: BoundServerOptions = { ...this.#serverOptions, ...defined(options ?? {}) };
    if (merged.connectionStateRecovery && merged.connectionStateRecovery.skipMiddlewares) {
      this.logger.warn(
        'connectionStateRecovery.skipMiddlewares is not honoured: guards decide on recovered clients, too',
      );
    }
    return createSocketIoServer(this.httpServer && port === 0 ? this.httpServer : port, merged);
  }

  /** Binds the handlers of the gateway that Nest is connecting to a client. */
  bindMessageHandlers(client: Socket, handlers: WsMessageHandler[], transform: (data: any) => Observable<any>): void {
    // Nest's own transform does nothing that is not done without it; a subclass may have wrapped it
    const custom = this.bindMessageHandlers === NestwireAdapter.prototype.bindMessageHandlers ? null : transform;
    const routes = this.#connecting?.accepts(handlers) ? this.#connecting : new RouteTable(this.#routeHost);
    routes.bind(client, handlers, custom);
    if (!this.#hooks.isRefused(client)) routes.openStreams(client);
  }

  /** The data of a message and its acknowledgement. Several arguments come as an array. */
  mapPayload(payload: unknown): { data: any; ack?: Function } {
    if (typeof payload === 'function') return { data: undefined, ack: payload };
    if (!Array.isArray(payload)) return { data: payload };
    const last: unknown = payload[payload.length - 1];
    if (typeof last !== 'function') return { data: payload };
    return { data: payload.length === 2 ? payload[0] : payload.slice(0, -1), ack: last };
  }

  override bindClientConnect(server: Server | Namespace, callback: Function): void {
    const routes = new RouteTable(this.#routeHost, this.#streams.takeCurrent());
    server.on('connection', (client: Socket) => {
      if (this.#isStarting()) {
        this.closeClient(client);
        return;
      }
      const outer = this.#connecting;
      this.#connecting = routes;
      try {
        this.#hooks.connect(client, () => callback(client));
      } finally {
        this.#connecting = outer;
      }
    });
  }

  override bindClientDisconnect(client: Socket, callback: Function): void {
    (this.#connecting ?? new RouteTable(this.#routeHost)).bindDisconnect(client, callback as (reason: string) => void);
  }

  /**
   * Drops a client that connected before the application was ready. Its transport is closed, which a stock client takes as
   * a failure and comes back; after a disconnect by the server it would not.
   */
  closeClient(client: Socket): void {
    client.conn.close();
  }

  /**
   * Closes a server, with everything on it, once. With `forceCloseConnections` the application's own HTTP server is left
   * to Nest, which ends its connections.
   */
  override async close(server: any): Promise<void> {
    // namespaces close with their server
    if (typeof server?.close !== 'function') return;
    let closing = this.#closing.get(server);
    if (closing === undefined) {
      const keepHttpServer = this.forceCloseConnections && server.httpServer === this.httpServer;
      for (const [key, one] of this.#servers) if (one === server) this.#servers.delete(key);
      this.#emitters?.close(server as Server);
      closing = closeSocketIoServer(server as Server, { keepHttpServer });
      this.#closing.set(server, closing);
    }
    await closing;
  }

  /**
   * Completes all streams, waits for what gateways still do for clients that the shutdown disconnected, and leaves the other
   * nodes.
   */
  override async dispose(): Promise<void> {
    await Promise.all([this.#streams.close(), this.#hooks.settled()]);
    await this.#scaleOut.close();
  }

  /** What has happened in the streams of this application since the start, a row a `@SubscribeStream` method. */
  streamStats(): StreamStats[] {
    return this.#streams.stats();
  }

  #serverFor(port: number, options: BoundServerOptions): Server {
    const key = this.#gatewayOptions.serverKey(port, options.path);
    let server = this.#servers.get(key);
    if (server === undefined) {
      const path = this.#gatewayOptions.path(options.path);
      const merged: BoundServerOptions = { ...this.#gatewayOptions.of(port, options.path), ...defined(options), path };
      const adapter = merged.adapter ?? this.#serverOptions.adapter ?? this.#scaleOut.adapterFor(key);
      server = this.createIOServer(port, { ...merged, ...(adapter && { adapter }) }) as Server;
      this.#scaleOut.relay(server, key);
      setServerContext(server, { ...this.#context, emitsThroughCluster: this.#scaleOut.carriesEmits(server, key) });
      this.#connectionGuards.gate(server);
      this.#emitters?.serve(key, server);
      this.#servers.set(key, server);
    }
    return server;
  }

  #namespaceOf(server: Server, namespace: string | RegExp): Namespace {
    if (!(namespace instanceof RegExp)) return server.of(namespace);
    const patterns = this.#patternNamespaces.get(server) ?? new Map<string, Namespace>();
    this.#patternNamespaces.set(server, patterns);
    const parent = patterns.get(String(namespace)) ?? server.of(namespace);
    patterns.set(String(namespace), parent);
    return parent;
  }

  #prepare(gateway: Gateway, contexts: ExternalContextCreator): void {
    installErrorsFilter(gateway.metatype);
    this.#hooks.protect(gateway);
    this.#streams.prepare(gateway, contexts);
  }

  /**
   * Whether the lifecycle hooks of the application are still running, while a port of its own or a foreign HTTP server lets
   * clients in. Nest 12.1 does not look; later versions do, and call {@link closeClient} themselves.
   */
  #isStarting(): boolean {
    return (
      this.#app instanceof NestApplication &&
      (this.#app as unknown as { isInitialized?: boolean }).isInitialized === false
    );
  }
}

function asApplication(appOrHttpServer: unknown): INestApplicationContext | undefined {
  return appOrHttpServer instanceof NestApplicationContext ? appOrHttpServer : undefined;
}

/** An option that is named but undefined must not hide a default. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
