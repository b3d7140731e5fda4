import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Admission } from './admission.js';
import { allowEmbedding, isEmbedded, RequestPolicy } from './embedding.js';
import type { Engine } from './engine.js';
import { ERRORS, Refusal } from './errors.js';
import { HandOver } from './hand-over.js';
import { askAllowRequest, checkRoute, examine, HandshakePackets, mayUpgrade } from './handshake.js';
import type { Headers } from './headers.js';
import { runMiddlewares, type Middleware } from './middleware.js';
import { codecFor } from './protocol/codec.js';
import type { Relay, RelayedFacts } from './relay.js';
import { clientAddress, compileTrust, protocolOf, quoted, withQuery, type TrustProxy } from './request.js';
import { Session, type EngineRequest } from './session.js';
import {
  wireName,
  type HttpTransportKind,
  type TransportKind,
  type WebTransportSession,
} from './transports/registry.js';
import {
  ANSWER_HEADERS,
  NOBODY,
  type Transport,
  type TransportHost,
  type TransportInit,
} from './transports/transport.js';
import { Upgrade } from './upgrade.js';
import { UpgradeResponse, writeRawResponse } from './upgrade-response.js';
import { WebSocketAcceptor } from './websocket-acceptor.js';
import { WebTransportAcceptor, type Gate, type WebTransportRequest } from './webtransport-acceptor.js';

/**
 * Takes each request through what it has to pass (middlewares, protocol, origin, and for a handshake limits and
 * `allowRequest`), and hands it to its session's transport; refuses it on the way.
 */
export class Router implements Gate {
  private readonly trust: TrustProxy | undefined;
  private readonly policy: RequestPolicy;
  private readonly admission: Admission;
  private readonly handshakes: HandshakePackets;
  private readonly webSockets: WebSocketAcceptor;
  private readonly webTransports: WebTransportAcceptor;
  private readonly handOver: HandOver;

  constructor(
    private readonly engine: Engine,
    private readonly host: TransportHost,
    private readonly headers: Headers,
    readonly middlewares: readonly Middleware[],
  ) {
    const { opts } = engine;
    this.trust = compileTrust(opts.trustProxy);
    this.policy = new RequestPolicy(opts, this.trust);
    this.admission = new Admission(opts.limits);
    this.handshakes = new HandshakePackets(opts);
    this.webSockets = new WebSocketAcceptor(opts, headers, this.trust);
    this.webTransports = new WebTransportAcceptor(engine, this);
    this.handOver = new HandOver(engine, this.policy, this.trust, host);
  }

  /** Handles an HTTP request. */
  handleRequest(message: IncomingMessage, response: ServerResponse): void {
    const request = withQuery(message);
    this.route(request, response).catch((error: unknown) => this.refuseRequest(request, response, error));
  }

  /** Handles an HTTP request that another node has handed over. */
  handleRelayed(message: IncomingMessage, response: ServerResponse, facts: RelayedFacts): void {
    const request = asRelayed(message);
    this.serve(request, response, facts).catch((error: unknown) => this.refuseRequest(request, response, error));
  }

  /** Handles an HTTP Upgrade. */
  handleUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer): void {
    // the client may reset the connection while we still think; nobody else listens
    socket.on('error', ignoreError);
    const request = withQuery(message);
    this.routeUpgrade(request, socket, head).catch((error: unknown) => this.refuseUpgrade(request, socket, error));
  }

  /** Handles an HTTP Upgrade that another node has handed over. */
  handleRelayedUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer, facts: RelayedFacts): void {
    socket.on('error', ignoreError);
    const request = asRelayed(message);
    this.serveUpgrade(request, socket, head, facts).catch((error: unknown) =>
      this.refuseUpgrade(request, socket, error),
    );
  }

  /** Takes over a WebTransport session. Never rejects. */
  handleWebTransport(session: WebTransportSession, given: WebTransportRequest | undefined): Promise<void> {
    return this.webTransports.accept(session, given);
  }

  /** A session ended. */
  forget(session: Session): void {
    this.admission.leave(session.remoteAddress);
  }

  close(): void {
    this.webSockets.close();
  }

  private async route(request: EngineRequest, response: ServerResponse): Promise<void> {
    if (this.middlewares.length > 0) await this.applyMiddlewares(request, response);
    if (response.writableEnded) return;
    if (this.handOver.concerns(request) && (await this.handOver.request(request, response))) return;
    await this.serve(request, response, null);
  }

  /** @param relayed what another node has found out, which has handed the request over. */
  private async serve(request: EngineRequest, response: ServerResponse, relayed: RelayedFacts | null): Promise<void> {
    const { kind, session } = examine(this.engine, request, false) as { kind: HttpTransportKind; session?: Session };
    if (relayed !== null && session === undefined) throw new Refusal('BAD_REQUEST', { name: 'RELAYED_HANDSHAKE' });
    await this.checkOrigin(kind, request, session, relayed);
    // the first node has done so on the answer that the client gets
    if (relayed === null) allowEmbedding(kind, request, response);
    let transport: Transport;
    if (session === undefined) {
      const id = await this.admit(request);
      if (response.destroyed) return;
      this.confirm(id, request);
      this.headers.issueSid(request, id);
      transport = kind.create(this.transportInit(request));
      // the transport gets its request first: a listener of the application may close the session
      this.openSession(id, kind, transport, request, () => transport.handleRequest(request, response));
    } else if (session.readyState === 'closed') {
      throw new Refusal('UNKNOWN_SID', { sid: session.id });
    } else {
      transport = this.transportFor(session, kind, request);
      unhidden(() => transport.handleRequest(request, response));
    }
  }

  private async routeUpgrade(request: EngineRequest, socket: Duplex, head: Buffer): Promise<void> {
    let lines: readonly string[] = [];
    if (this.middlewares.length > 0) {
      const response = new UpgradeResponse(socket);
      this.headers.keepUpgradeResponse(request, response);
      await this.applyMiddlewares(request, response as unknown as ServerResponse);
      if (response.writableEnded) return;
      // middlewares like express-session wait for this call to add their headers
      response.writeHead(101);
      lines = response.lines();
    }
    if (this.handOver.concerns(request) && (await this.handOver.upgrade(request, socket, head, lines))) return;
    await this.serveUpgrade(request, socket, head, null);
  }

  private async serveUpgrade(
    request: EngineRequest,
    socket: Duplex,
    head: Buffer,
    relayed: RelayedFacts | null,
  ): Promise<void> {
    const { kind, session } = examine(this.engine, request, true);
    if (!kind.needsHttpUpgrade) throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR' });
    if (relayed !== null && session === undefined) throw new Refusal('BAD_REQUEST', { name: 'RELAYED_HANDSHAKE' });
    await this.checkOrigin(kind, request, session, relayed);
    const id = session === undefined ? await this.admit(request) : session.id;
    if (socket.destroyed) return;
    const confirm = session === undefined ? () => this.confirm(id, request) : noop;
    await this.webSockets.accept(request, socket, head, confirm, (connection) => {
      socket.off('error', ignoreError);
      if (session === undefined && !this.host.closing) {
        this.openSession(id, kind, kind.create(this.transportInit(request), connection), request);
      } else if (session !== undefined && session.readyState !== 'closed' && mayUpgrade(session, kind)) {
        void new Upgrade(session, kind.create(this.transportInit(request), connection));
      } else {
        // it came too late or too often: closed after the handshake, as Engine.IO does
        connection.webSocket.on('error', ignoreError);
        connection.closer.close(connection.webSocket);
      }
    });
  }

  /** @internal */
  async applyMiddlewares(request: EngineRequest, response: ServerResponse): Promise<void> {
    try {
      await runMiddlewares(this.middlewares, request, response);
    } catch (error) {
      throw new Refusal('BAD_REQUEST', { name: 'MIDDLEWARE_FAILURE', error });
    }
  }

  /** The transport that answers a plain request of a session; a new candidate where the request begins an upgrade. */
  private transportFor(session: Session, kind: HttpTransportKind, request: EngineRequest): Transport {
    // the session may have changed its transport while the origin was judged
    checkRoute(session, kind);
    if (session.transport.name === wireName(kind)) return session.transport;
    const candidate = session.upgrade?.candidate;
    if (candidate?.name === wireName(kind)) return candidate;
    // a POST for a candidate that was given up must not make another one
    if (request.method !== 'GET')
      throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_MISMATCH', transport: kind.name });
    return new Upgrade(session, kind.create(this.transportInit(request))).candidate;
  }

  /** @internal */
  openSession(id: string, kind: TransportKind, transport: Transport, request: EngineRequest, begin = noop): void {
    const { engine } = this;
    const address = clientAddress(request, this.trust);
    const session = new Session(id, engine, transport, request, protocolOf(request), address);
    this.admission.enter(address);
    engine.clients.set(id, session);
    session.open(this.handshakes.data(id, kind, request), engine.opts.initialPacket);
    unhidden(begin);
    // nobody knows a session whose listener threw
    if (!unhidden(() => engine.emit('connection', session))) session.close(true);
  }

  /** @internal */
  transportInit(request: EngineRequest): TransportInit {
    return {
      host: this.host,
      codec: codecFor(protocolOf(request)),
      supportsBinary: !request._query['b64'],
      sink: NOBODY,
    };
  }

  /** @internal */
  async checkOrigin(
    kind: TransportKind,
    request: EngineRequest,
    session: Session | undefined,
    relayed: RelayedFacts | null,
  ): Promise<void> {
    const { origin, host } = request.headers;
    // the session's own page: it passed the check at the handshake
    if (session !== undefined && session.origin === origin && !isEmbedded(kind, request)) return;
    if (relayed === null ? await this.policy.allows(kind, request) : relayed.isOriginAllowed) return;
    this.engine.limitExceeded(
      'origins',
      `refused ${origin === undefined ? 'a request without CORS' : quoted(origin)} for host ${quoted(host)}. If it is yours: list it in "origins" or "cors.origin", or let ` +
        'the proxy pass the Host header on (nginx: proxy_set_header Host $host)',
    );
    throw new Refusal('FORBIDDEN', { name: 'ORIGIN_NOT_ALLOWED', origin });
  }

  /** Everything a handshake has to pass; gives the id of the new session. @internal */
  async admit(request: EngineRequest): Promise<string> {
    const { engine } = this;
    if (engine.isDraining) throw new Refusal('SHUTTING_DOWN');
    if (engine.relay?.isCutOff()) throw new Refusal('NODE_CUT_OFF');
    this.admission.checkHandshake(clientAddress(request, this.trust), engine.clients.size);
    if (engine.opts.allowRequest) await askAllowRequest(engine.opts.allowRequest, request);
    let id: string;
    try {
      id = String(await engine.generateId(request));
    } catch (error) {
      throw new Refusal('BAD_REQUEST', { name: 'ID_GENERATION_ERROR', error });
    }
    return engine.relay === null || id === '' ? id : namedBy(engine.relay, id);
  }

  /** What has to hold at the moment a session opens: others may have opened while this handshake waited. @internal */
  confirm(id: string, request: EngineRequest): void {
    const { engine } = this;
    if (id === '' || engine.clients.has(id)) {
      throw new Refusal('BAD_REQUEST', { name: 'ID_GENERATION_ERROR', error: new Error(`id "${id}" is in use`) });
    }
    if (this.host.closing || engine.isDraining) throw new Refusal('SHUTTING_DOWN');
    this.admission.checkSessions(clientAddress(request, this.trust), engine.clients.size);
  }

  private async refuseRequest(request: EngineRequest, response: ServerResponse, error: unknown): Promise<void> {
    const { status, code, message } = this.refused(request, error);
    // so far Node has told us of the headers; a small body that came with them is through with this turn
    if (!request.complete) await new Promise(setImmediate);
    if (response.headersSent) {
      // a middleware answered before it failed
      if (!response.writableEnded) response.end();
      return;
    }
    const headers: OutgoingHttpHeaders = { 'Content-Type': 'application/json', ...ANSWER_HEADERS };
    // the rest of a body is not going to be read, however slowly it comes
    if (!request.complete) headers['Connection'] = 'close';
    if (isTemporary(status)) headers['Retry-After'] = 1;
    response.writeHead(status, headers);
    response.end(JSON.stringify({ code, message }));
  }

  private refuseUpgrade(request: EngineRequest, socket: Duplex, error: unknown): void {
    const { status, message } = this.refused(request, error);
    const lines = isTemporary(status) ? [...REFUSED_UPGRADE, 'Retry-After: 1'] : REFUSED_UPGRADE;
    writeRawResponse(socket, status, lines, message);
  }

  /** @internal */
  refused(req: EngineRequest, error: unknown): Refusal {
    const { engine } = this;
    // anything but a Refusal is a defect, ours or a listener's: the client hears of a bad request, the log of the error
    const refusal = error instanceof Refusal ? error : new Refusal('BAD_REQUEST', { name: 'UNEXPECTED_ERROR', error });
    const { code, context, reason, status, message } = refusal;
    if (refusal !== error) engine.log(`unexpected error: ${String((error as Error)?.stack ?? error)}`);
    // that a node is cut off is said by its relay, once
    else if (isTemporary(status) && reason !== 'NODE_CUT_OFF') engine.limitExceeded(context.name ?? reason, message);
    engine.emit('connection_error', { req, code, message: ERRORS[reason].message, context });
    return refusal;
  }
}

/** A request from another node. One without a session would be a handshake, and those are not handed over. */
function asRelayed(message: IncomingMessage): EngineRequest {
  const request = withQuery(message);
  request.isRelayed = true;
  return request;
}

async function namedBy(relay: Relay, id: string): Promise<string> {
  try {
    return await relay.sessionId(id);
  } catch (error) {
    throw new Refusal('NODE_NOT_READY', { name: 'RELAY_ERROR', error });
  }
}

/** Header lines of a refused upgrade. Not HTML: the message may be the application's, and may repeat what a client said. */
const REFUSED_UPGRADE = [
  'Content-Type: text/plain; charset=UTF-8',
  ...Object.entries(ANSWER_HEADERS).map(([name, value]) => `${name}: ${String(value)}`),
] as const;

/** Refusals that another try may not meet. */
function isTemporary(status: number): boolean {
  return status === 503 || status === 429;
}

/**
 * Runs what may call listeners of the application. Their errors are theirs to see, as uncaught exceptions; they must not
 * become the answer to a request that was let in.
 *
 * @returns whether nothing was thrown.
 */
function unhidden(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
    return false;
  }
}

function noop(): void {
  // a WebSocket has no first request, and a session that is there needs no confirmation
}

function ignoreError(): void {
  // the connection is gone, and its 'close' does what there is to do
}
