import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, Server as HttpServer, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { debuglog } from 'node:util';
import cors from 'cors';
import { Admission } from './admission.js';
import { mountPath, Mounts, type Mount } from './attach.js';
import { Deadlines, type DeadlineQueue } from './deadlines.js';
import { ERRORS, Refusal } from './errors.js';
import { askAllowRequest, examine, HandshakePackets, mayUpgrade } from './handshake.js';
import { Headers } from './headers.js';
import { Heartbeat } from './heartbeat.js';
import { runMiddlewares, type Middleware } from './middleware.js';
import {
  DEFAULT_ATTACH_OPTIONS,
  resolveOptions,
  type AttachOptions,
  type EngineOptions,
  type ResolvedOptions,
} from './options.js';
import { OriginPolicy } from './origins.js';
import { codecFor } from './protocol/codec.js';
import { clientAddress, compileTrust, protocolOf, withQuery, type TrustProxy } from './request.js';
import { Session, type EngineRequest } from './session.js';
import type { HttpTransportKind, TransportKind, WebSocketConnection } from './transports/registry.js';
import type { Transport, TransportHost, TransportInit } from './transports/transport.js';
import { Upgrade } from './upgrade.js';
import { UpgradeResponse, writeRawResponse } from './upgrade-response.js';
import { WebSocketAcceptor } from './websocket-acceptor.js';

const debug = debuglog('nestwire');

/** Milliseconds between two upgrade nudges of one session. */
const NUDGE_INTERVAL = 100;

/** Milliseconds between two log lines about the same limit. */
const LOG_INTERVAL = 1000;

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
  /** @internal */
  readonly heartbeat: Heartbeat;
  /** @internal */
  readonly upgradeTimeouts: DeadlineQueue<Upgrade>;
  /** @internal */
  readonly upgradeNudges: DeadlineQueue<Upgrade>;
  private readonly middlewares: Middleware[] = [];
  private readonly deadlines = new Deadlines();
  private readonly trust: TrustProxy | undefined;
  private readonly origins: OriginPolicy;
  private readonly admission: Admission;
  private readonly handshakes: HandshakePackets;
  private readonly headers: Headers;
  private readonly webSockets: WebSocketAcceptor;
  private readonly host: TransportHost & { closing: boolean };
  private readonly attached: { server: HttpServer; mount: Mount }[] = [];
  private readonly lastLogged = new Map<string, number>();
  private dirtySessions: Session[] = [];

  /** @throws InvalidOptionError when an option cannot be honoured. */
  constructor(options: EngineOptions = {}) {
    super();
    this.opts = resolveOptions(options);
    this.heartbeat = new Heartbeat(this.deadlines, this.opts);
    this.upgradeTimeouts = this.deadlines.queue<Upgrade>(this.opts.upgradeTimeout, (upgrade) => upgrade.abandon());
    this.upgradeNudges = this.deadlines.queue<Upgrade>(NUDGE_INTERVAL, (upgrade) => upgrade.nudge());
    this.trust = compileTrust(this.opts.trustProxy);
    this.origins = new OriginPolicy(this.opts, this.trust);
    this.admission = new Admission(this.opts.limits);
    this.handshakes = new HandshakePackets(this.opts);
    this.headers = new Headers(this, this.opts);
    this.webSockets = new WebSocketAcceptor(this.opts, this.headers);
    this.host = {
      options: { ...this.opts, maxPendingUpstreamBytes: this.opts.limits.maxPendingUpstreamBytes },
      pendingUpstreamBytes: 0,
      closing: false,
      decorateHeaders: (headers, request) => this.headers.decorate(headers, request as EngineRequest),
      limitExceeded: (limit, detail) => this.limitExceeded(limit, detail),
    };
    if (this.opts.cors !== false) this.use(cors(this.opts.cors) as Middleware);
  }

  /** How many sessions are open. */
  get clientsCount(): number {
    return this.clients.size;
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

  /** Ends all sessions at once, gives HTTP servers back, and refuses what still comes. */
  close(): this {
    this.host.closing = true;
    this.closeSessions();
    this.detach();
    this.webSockets.close();
    this.deadlines.stop();
    return this;
  }

  /** Handles an HTTP request, whatever its path. */
  handleRequest(message: IncomingMessage, response: ServerResponse): void {
    // a response may fail at any time from here on; what it carried ends by its 'close'
    response.on('error', ignoreError);
    if (this.onStatic !== null && isRead(message) && this.onStatic(message, response)) return;
    const request = withQuery(message);
    if (this.middlewares.length === 0) {
      this.route(request, response).catch((error: unknown) => this.refuseRequest(request, response, error));
      return;
    }
    runMiddlewares(this.middlewares, request, response)
      .catch((error: unknown) => {
        throw new Refusal('BAD_REQUEST', { name: 'MIDDLEWARE_FAILURE', error });
      })
      .then(() => this.route(request, response))
      .catch((error: unknown) => this.refuseRequest(request, response, error));
  }

  /** Handles an HTTP Upgrade, whatever its path. */
  handleUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer): void {
    // the client may reset the connection while we still think; nobody else listens
    socket.on('error', ignoreError);
    const request = withQuery(message);
    this.routeUpgrade(request, socket, head).catch((error: unknown) => this.refuseUpgrade(request, socket, error));
  }

  // What sessions call.

  /** @internal Lets a session write at the end of this tick. */
  flushLater(session: Session): void {
    session.dirty = true;
    if (this.dirtySessions.push(session) === 1) process.nextTick(flushDirty, this);
  }

  /** @internal */
  flushDirty(): void {
    const sessions = this.dirtySessions;
    this.dirtySessions = [];
    for (const session of sessions) {
      session.dirty = false;
      session.flush();
    }
  }

  /** @internal */
  forget(session: Session): void {
    this.clients.delete(session.id);
    this.admission.leave(session.remoteAddress);
  }

  /** @internal Logs that a limit was exceeded, at most once a second for each limit. */
  limitExceeded(limit: string, detail: string): void {
    const now = performance.now();
    if (now - (this.lastLogged.get(limit) ?? -Infinity) < LOG_INTERVAL) return;
    this.lastLogged.set(limit, now);
    this.log(`limit ${limit} exceeded: ${detail}`);
  }

  private log(message: string): void {
    if (this.opts.logger) this.opts.logger(message);
    else debug(message);
  }

  private closeSessions(): void {
    // a Map's iterator copes with entries that are deleted under it
    for (const session of this.clients.values()) session.close(true);
  }

  /** Rejects with a Refusal when the request is not let in. */
  private async route(request: EngineRequest, response: ServerResponse): Promise<void> {
    if (response.writableEnded) return;
    const { kind, session } = examine(this, request, false);
    await this.checkOrigin(request, session);
    if (session === undefined) {
      const id = await this.admit(request);
      if (response.destroyed) return;
      this.headers.issueSid(request, id);
      const transport = (kind as HttpTransportKind).create(this.transportInit(request));
      this.openSession(id, kind, transport, request);
      transport.handleRequest(request, response);
    } else if (session.readyState === 'closed') {
      throw new Refusal('UNKNOWN_SID', { sid: session.id });
    } else {
      this.transportFor(session, kind as HttpTransportKind, request).handleRequest(request, response);
    }
  }

  private async routeUpgrade(request: EngineRequest, socket: Duplex, head: Buffer): Promise<void> {
    if (this.middlewares.length > 0) {
      const response = new UpgradeResponse(socket);
      this.headers.keepUpgradeResponse(request, response);
      await runMiddlewares(this.middlewares, request, response as unknown as ServerResponse).catch((error: unknown) => {
        throw new Refusal('BAD_REQUEST', { name: 'MIDDLEWARE_FAILURE', error });
      });
      if (response.writableEnded) return;
      // middlewares like express-session wait for this call to add their headers
      response.writeHead(101);
    }
    const { kind, session } = examine(this, request, true);
    await this.checkOrigin(request, session);
    const id = session === undefined ? await this.admit(request) : session.id;
    if (socket.destroyed) return;
    if (!kind.needsHttpUpgrade) throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR' });
    const connection = this.webSockets.accept(request, socket, head);
    // ws has refused it
    if (connection === null) return;
    socket.off('error', ignoreError);
    if (session === undefined) {
      this.openSession(id, kind, kind.create(this.transportInit(request), connection), request);
    } else {
      this.upgradeSession(session, kind, request, connection);
    }
  }

  private upgradeSession(
    session: Session,
    kind: TransportKind,
    request: EngineRequest,
    connection: WebSocketConnection,
  ): void {
    if (session.readyState === 'closed' || !mayUpgrade(session, kind) || !kind.needsHttpUpgrade) {
      connection.webSocket.on('error', ignoreError);
      connection.webSocket.close();
      return;
    }
    void new Upgrade(session, kind.create(this.transportInit(request), connection));
  }

  /** The transport that answers a plain request of a session; a new candidate where the request begins an upgrade. */
  private transportFor(session: Session, kind: HttpTransportKind, request: EngineRequest): Transport {
    if (session.transport.name === kind.name) return session.transport;
    const candidate = session.upgrade?.candidate;
    if (candidate?.name === kind.name) return candidate;
    return new Upgrade(session, kind.create(this.transportInit(request))).candidate;
  }

  private openSession(id: string, kind: TransportKind, transport: Transport, request: EngineRequest): void {
    const address = clientAddress(request, this.trust);
    const session = new Session(id, this, transport, request, protocolOf(request), address);
    this.admission.enter(address);
    this.clients.set(id, session);
    session.open(this.handshakes.data(id, kind), this.opts.initialPacket);
    this.emit('connection', session);
  }

  private transportInit(request: EngineRequest): TransportInit {
    return {
      host: this.host,
      codec: codecFor(protocolOf(request)),
      supportsBinary: !request._query['b64'],
      sink: NO_SINK,
    };
  }

  private async checkOrigin(request: EngineRequest, session: Session | undefined): Promise<void> {
    const { origin } = request.headers;
    // the session's own page: whoever knows its id passed the check at the handshake
    if (origin === undefined || (session !== undefined && session.origin === origin)) return;
    if (await this.origins.allows(request)) return;
    this.limitExceeded(
      'origins',
      `refused ${origin} for host ${request.headers.host}. If it is yours: list it in "origins" or "cors.origin", or let ` +
        'the proxy pass the Host header on (nginx: proxy_set_header Host $host)',
    );
    throw new Refusal('FORBIDDEN', { name: 'ORIGIN_NOT_ALLOWED', origin });
  }

  /** Everything a handshake has to pass; gives the id of the new session. */
  private async admit(request: EngineRequest): Promise<string> {
    this.admission.checkHandshake(clientAddress(request, this.trust), this.clients.size);
    if (this.opts.allowRequest) await askAllowRequest(this.opts.allowRequest, request);
    let id: string;
    try {
      id = String(await this.generateId(request));
    } catch (error) {
      throw new Refusal('BAD_REQUEST', { name: 'ID_GENERATION_ERROR', error });
    }
    if (id === '' || this.clients.has(id)) {
      throw new Refusal('BAD_REQUEST', {
        name: 'ID_GENERATION_ERROR',
        error: new Error(`session id "${id}" is in use`),
      });
    }
    if (this.host.closing) throw new Refusal('SHUTTING_DOWN');
    return id;
  }

  private refuseRequest(request: EngineRequest, response: ServerResponse, error: unknown): void {
    const { status, code, message } = this.refused(request, error);
    if (response.headersSent) {
      // a middleware answered before it failed
      if (!response.writableEnded) response.end();
      return;
    }
    const headers: OutgoingHttpHeaders = { 'Content-Type': 'application/json' };
    if (status === 503 || status === 429) headers['Retry-After'] = 1;
    response.writeHead(status, headers);
    response.end(JSON.stringify({ code, message }));
  }

  private refuseUpgrade(request: EngineRequest, socket: Duplex, error: unknown): void {
    const { status, message } = this.refused(request, error);
    writeRawResponse(socket, status, ['Content-Type: text/html'], message);
  }

  private refused(req: EngineRequest, error: unknown): Refusal {
    // anything but a Refusal is a defect of ours or of a listener; the client hears of a bad request, the log of the error
    const refusal = error instanceof Refusal ? error : new Refusal('BAD_REQUEST', { name: 'UNEXPECTED_ERROR', error });
    if (!(error instanceof Refusal)) this.log(`unexpected error: ${String((error as Error)?.stack ?? error)}`);
    else if (refusal.status === 503 || refusal.status === 429)
      this.limitExceeded(refusal.context.name ?? '', refusal.message);
    const { code, context } = refusal;
    this.emit('connection_error', { req, code, message: ERRORS[refusal.reason].message, context });
    return refusal;
  }
}

/** A new transport delivers to nobody until its session or upgrade takes it. */
const NO_SINK = { packet() {}, drained() {}, closed() {} };

function flushDirty(engine: Engine): void {
  engine.flushDirty();
}

function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function ignoreError(): void {
  // the connection is gone, and its 'close' does what there is to do
}
