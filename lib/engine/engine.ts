import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { debuglog } from 'node:util';
import cors from 'cors';
import { mountPath, Mounts, type Mount } from './attach.js';
import { guardCors } from './cors.js';
import { Drain, type DrainOptions } from './drain.js';
import { Deadlines, type DeadlineQueue } from './deadlines.js';
import { FlashPolicy } from './flash-policy.js';
import { Flusher } from './flusher.js';
import { Headers } from './headers.js';
import { Heartbeat } from './heartbeat.js';
import { Inbox } from './inbox.js';
import { allowTiming, type Middleware } from './middleware.js';
import {
  DEFAULT_ATTACH_OPTIONS,
  resolveOptions,
  type AttachOptions,
  type EngineOptions,
  type ResolvedOptions,
} from './options.js';
import type { Relay, RelayedFacts, RelayStats } from './relay.js';
import { Router } from './router.js';
import type { EngineRequest, Session } from './session.js';
import { TRANSPORT_KINDS, type WebTransportSession } from './transports/registry.js';
import type { Confirmable, TransportHost, TransportResponse } from './transports/transport.js';
import type { Upgrade } from './upgrade.js';
import type { WebTransportRequest } from './webtransport-acceptor.js';

const debug = debuglog('nestwire');

/** Milliseconds between two nudges of the old transport while a session upgrades. */
const NUDGE_INTERVAL = 100;

/** Milliseconds a client has to show that it reads its stream. */
const CONFIRM_TIMEOUT = 10_000;

/** Milliseconds clients have to read last answers when the engine ends. */
const CLOSING_GRACE = 500;

/** Milliseconds between two log lines about the same limit. */
const LOG_INTERVAL = 1000;

/** What {@link Engine.stats} tells. */
export interface EngineStats {
  /** Sessions that are open on this node. */
  readonly sessions: number;
  /** Null when there is no relay. */
  readonly relay: RelayStats | null;
}

/**
 * Accepts HTTP requests and upgrades on one path, and owns all sessions. Usable without Nest and without socket.io;
 * socket.io takes it in `io.bind(engine)`.
 *
 * Events: `connection` (Session), `connection_error` ({ req, code, message, context }), `initial_headers` and `headers`
 * (headers, request), `flush` (Session, Packet[]), `drain` (Session).
 */
export class Engine extends EventEmitter {
  /** The options in force, defaults included. */
  readonly opts: ResolvedOptions;
  /** Open sessions by id. */
  readonly clients = new Map<string, Session>();
  /**
   * Answers requests below the path that are not Engine.IO's, for example for client files.
   * Called for GET and HEAD; returns whether it took the request.
   */
  onStatic: ((request: IncomingMessage, response: ServerResponse) => boolean) | null = null;
  /** Brings requests of other nodes' sessions to them; null: there are no other nodes. Set before requests come. */
  relay: Relay | null = null;
  /** @internal */
  readonly flusher = new Flusher();
  /** @internal */
  readonly heartbeat: Heartbeat;
  /** @internal */
  readonly upgradeTimeouts: DeadlineQueue<Upgrade>;
  /** @internal */
  readonly upgradeNudges: DeadlineQueue<Upgrade>;
  private readonly deadlines = new Deadlines();
  private readonly middlewares: Middleware[] = [];
  private readonly host: TransportHost & { closing: boolean };
  private readonly router: Router;
  private readonly attached: { server: HttpServer; mount: Mount }[] = [];
  private draining: Drain | null = null;
  private readonly lastLogged = new Map<string, number>();

  /** @throws InvalidOptionError when an option cannot be honoured. */
  constructor(options: EngineOptions = {}) {
    super();
    const opts = resolveOptions(options);
    this.opts = opts;
    this.heartbeat = new Heartbeat(this.deadlines, opts);
    this.upgradeTimeouts = this.deadlines.queue<Upgrade>(opts.upgradeTimeout, (upgrade) => upgrade.abandon());
    this.upgradeNudges = this.deadlines.queue<Upgrade>(NUDGE_INTERVAL, (upgrade) => upgrade.nudge());
    const headers = new Headers(this, opts);
    this.host = {
      options: { ...opts, ...opts.limits },
      unconfirmed: this.deadlines.queue<Confirmable>(CONFIRM_TIMEOUT, (transport) => transport.unconfirmed()),
      // no client that needs longer for an answer keeps its heartbeat
      unread: this.deadlines.queue<TransportResponse>(opts.pingInterval + 2 * opts.pingTimeout, (response) =>
        response.destroy(),
      ),
      inbox: new Inbox(this.flusher),
      pendingUpstreamBytes: 0,
      closing: false,
      decorateHeaders: (base, request) => headers.decorate(base, request as EngineRequest),
      limitExceeded: (limit, detail) => this.limitExceeded(limit, detail),
    };
    this.router = new Router(this, this.host, headers, this.middlewares);
    if (opts.cors !== false) this.use(cors(guardCors(opts.cors)) as Middleware).use(allowTiming);
  }

  /** How many sessions are open. */
  get clientsCount(): number {
    return this.clients.size;
  }

  /** Whether clients may be Flash movies. @internal */
  get usesFlash(): boolean {
    return this.opts.transports.some((name) => TRANSPORT_KINDS.get(name)!.usesFlash);
  }

  /** Adds a middleware that every HTTP request and upgrade below the path passes. */
  use(middleware: Middleware): this {
    this.middlewares.push(middleware);
    return this;
  }

  /** Makes the id of a new session. May be replaced; must not be guessable, for whoever knows it owns the session. */
  generateId(_request: IncomingMessage): string | Promise<string> {
    // 120 bits; 20 characters, as stock ids have
    return randomBytes(15).toString('base64url');
  }

  /** Answers the requests of an HTTP server below a path, until {@link detach} or {@link close}. */
  attach(server: HttpServer, options: AttachOptions = {}): this {
    const mount: Mount = {
      path: mountPath(options),
      destroyUpgrade: options.destroyUpgrade ?? DEFAULT_ATTACH_OPTIONS.destroyUpgrade,
      destroyUpgradeTimeout: options.destroyUpgradeTimeout ?? DEFAULT_ATTACH_OPTIONS.destroyUpgradeTimeout,
      flashPolicy: this.usesFlash && this.opts.flashPolicy !== false ? new FlashPolicy(this.opts) : null,
      handleRequest: (request, response) => this.handleRequest(request, response),
      handleUpgrade: (request, socket, head) => this.handleUpgrade(request, socket, head),
      serverClosed: () => this.closeSessions(),
    };
    this.attached.push({ server, mount });
    Mounts.of(server).add(mount);
    return this;
  }

  /** Gives an HTTP server back, or all of them. Open sessions stay open, but their requests do not arrive any more. */
  detach(server?: HttpServer): this {
    for (const one of this.attached.filter((attached) => server === undefined || attached.server === server)) {
      Mounts.of(one.server).remove(one.mount);
      this.attached.splice(this.attached.indexOf(one), 1);
    }
    return this;
  }

  /**
   * Has the clients leave, before {@link close}: new handshakes are refused, open sessions are closed little by little.
   *
   * @returns a promise that resolves when no session is left, or the time is over. Further calls give the same.
   */
  drain(options: DrainOptions): Promise<void> {
    this.draining ??= new Drain(this, options);
    return this.draining.done;
  }

  /** Whether clients are being sent away. */
  get isDraining(): boolean {
    return this.draining !== null;
  }

  /** Whether there is room for new sessions, and time. @internal */
  get takesSessions(): boolean {
    return !this.host.closing && !this.isDraining && this.clients.size < this.opts.limits.maxSessions;
  }

  /** Ends all sessions at once, gives HTTP servers back, and refuses what still comes. */
  close(): this {
    this.host.closing = true;
    this.draining?.stop();
    this.closeSessions();
    this.relay?.close();
    this.detach();
    this.router.close();
    this.deadlines.stop();
    setTimeout(() => this.host.unread.expireAll(), CLOSING_GRACE).unref();
    return this;
  }

  /** Handles an HTTP request, whatever its path. */
  handleRequest(request: IncomingMessage, response: ServerResponse): void {
    // a response may fail at any time from here on; what it carried ends by its 'close'
    response.on('error', ignoreError);
    if (this.onStatic !== null && isRead(request) && this.onStatic(request, response)) return;
    this.router.handleRequest(request, response);
  }

  /** Handles an HTTP Upgrade, whatever its path. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.router.handleUpgrade(request, socket, head);
  }

  /**
   * Takes over a WebTransport session that an HTTP/3 server has accepted; Node has none of its own. `webtransport` has to be
   * in `transports`. The client's stream and its first packet have to come within `upgradeTimeout`.
   *
   * @param request what the server knows of the client's request. Without one, nothing can be asked of it, so the session is
   *   refused where `origins`, `allowRequest`, `cors`, a middleware or a limit per address is in force.
   * @returns a promise that resolves when it was let in or refused, and never rejects.
   */
  onWebTransportSession(session: WebTransportSession, request?: WebTransportRequest): Promise<void> {
    return this.router.handleWebTransport(session, request);
  }

  /** Handles an HTTP request that another node has handed over: it has passed the middlewares there. */
  handleRelayed(request: IncomingMessage, response: ServerResponse, facts: RelayedFacts): void {
    response.on('error', ignoreError);
    this.router.handleRelayed(request, response, facts);
  }

  /** Handles an HTTP Upgrade that another node has handed over. */
  handleRelayedUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, facts: RelayedFacts): void {
    this.router.handleRelayedUpgrade(request, socket, head, facts);
  }

  /** Numbers for monitoring. */
  stats(): EngineStats {
    return { sessions: this.clients.size, relay: this.relay?.stats() ?? null };
  }

  /** @internal */
  forget(session: Session): void {
    this.clients.delete(session.id);
    this.router.forget(session);
  }

  /** @internal Logs that a limit was exceeded, at most once a second for each limit. */
  limitExceeded(limit: string, detail: string): void {
    const now = performance.now();
    if (now - (this.lastLogged.get(limit) ?? -Infinity) < LOG_INTERVAL) return;
    this.lastLogged.set(limit, now);
    this.log(`limit ${limit} exceeded: ${detail}`);
  }

  /** @internal */
  log(message: string): void {
    if (this.opts.logger) this.opts.logger(message);
    else debug(message);
  }

  private closeSessions(): void {
    // a Map's iterator copes with entries that are deleted under it
    for (const session of this.clients.values()) session.close(true);
  }
}

function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function ignoreError(): void {
  // the connection is gone, and its 'close' does what there is to do
}
