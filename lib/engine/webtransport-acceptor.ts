import { once } from 'node:events';
import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Engine } from './engine.js';
import { Refusal } from './errors.js';
import { examineHead, mayUpgrade } from './handshake.js';
import type { Middleware } from './middleware.js';
import { withQuery } from './request.js';
import type { EngineRequest, Session } from './session.js';
import { WebTransportConnection, type TransportKind, type WebTransportSession } from './transports/registry.js';
import type { Transport, TransportInit } from './transports/transport.js';
import { Upgrade } from './upgrade.js';
import { UpgradeResponse } from './upgrade-response.js';

/**
 * The request by which a client asked for a WebTransport session, as far as the HTTP/3 server tells: as node:http would
 * have it, or with the header block of HTTP/3, whose `:path` and `:authority` are understood.
 */
export interface WebTransportRequest {
  readonly url?: string | undefined;
  readonly headers?: IncomingHttpHeaders | undefined;
  readonly socket?: { readonly remoteAddress?: string | undefined } | undefined;
}

/** What every new session and every request has to pass, whatever its transport: the router's. */
export interface Gate {
  readonly middlewares: readonly Middleware[];
  applyMiddlewares(request: EngineRequest, response: ServerResponse): Promise<void>;
  checkOrigin(kind: TransportKind, request: EngineRequest, session: Session | undefined, relayed: null): Promise<void>;
  admit(request: EngineRequest): Promise<string>;
  confirm(id: string, request: EngineRequest): void;
  transportInit(request: EngineRequest): TransportInit;
  openSession(id: string, kind: TransportKind, transport: Transport, request: EngineRequest): void;
  refused(request: EngineRequest, error: unknown): Refusal;
}

/** Takes WebTransport sessions through what requests of other transports pass. */
export class WebTransportAcceptor {
  constructor(
    private readonly engine: Engine,
    private readonly gate: Gate,
  ) {}

  /** Never rejects. */
  async accept(session: WebTransportSession, given: WebTransportRequest | undefined): Promise<void> {
    const { maxHttpBufferSize: maxPayload, limits, upgradeTimeout } = this.engine.opts;
    const connection = new WebTransportConnection(session, { maxPayload, maxChunks: limits.maxBufferedChunks });
    const request = webTransportRequest(given);
    const timer = setTimeout(() => connection.cut(), upgradeTimeout).unref();
    try {
      await this.serve(connection, request, given !== undefined);
    } catch (error) {
      const { code, message } = this.gate.refused(request, error);
      connection.cut(code, message);
    } finally {
      clearTimeout(timer);
    }
  }

  private async serve(connection: WebTransportConnection, request: EngineRequest, isKnown: boolean): Promise<void> {
    const { engine, gate } = this;
    const kind = examineHead(engine.opts, request);
    if (!kind.needsHttp3) throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR' });
    if (!isKnown && this.asksRequests()) throw new Refusal('FORBIDDEN', { name: 'WEBTRANSPORT_WITHOUT_REQUEST' });
    if (gate.middlewares.length > 0) {
      const response = new UpgradeResponse(new PassThrough().resume());
      // one that answers by itself goes on no more
      const answered = once(response, 'finish');
      await Promise.race([answered, gate.applyMiddlewares(request, response as never)]);
      if (response.writableEnded) throw new Refusal('FORBIDDEN', { name: 'MIDDLEWARE_ANSWERED' });
    }
    const sid = await firstPacket(connection);
    const session = sid === undefined ? undefined : engine.clients.get(sid);
    // one of another node as well: there is no way to hand a session of HTTP/3 on
    if (sid !== undefined && session === undefined) throw new Refusal('UNKNOWN_SID', { sid });
    await gate.checkOrigin(kind, request, session, null);
    if (session === undefined) {
      const id = await gate.admit(request);
      if (connection.isCut) return;
      gate.confirm(id, request);
      gate.openSession(id, kind, kind.create(gate.transportInit(request), connection), request);
    } else if (session.readyState === 'open' && session.protocol === 4 && mayUpgrade(session, kind)) {
      void new Upgrade(session, kind.create(gate.transportInit(request), connection));
    } else {
      throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_MISMATCH', transport: kind.name });
    }
  }

  /** Whether something is to be asked of requests that one which nobody knows cannot answer. */
  private asksRequests(): boolean {
    const { origins, allowRequest, limits } = this.engine.opts;
    const countsAddresses = limits.maxSessionsPerAddress !== Infinity || limits.maxHandshakesPerSecond !== Infinity;
    return origins !== undefined || allowRequest !== undefined || this.gate.middlewares.length > 0 || countsAddresses;
  }
}

/** A request as everything above the transport expects one; of one that nobody knows, an empty one. */
export function webTransportRequest({ url, headers = {}, socket }: WebTransportRequest = {}): EngineRequest {
  const connection = new Socket();
  Object.defineProperty(connection, 'remoteAddress', { value: socket?.remoteAddress });
  const message = new IncomingMessage(Object.assign(connection, { encrypted: true }));
  message.method = 'GET';
  message.url = url ?? String(headers[':path'] ?? '/');
  const host = headers.host ?? headers[':authority'];
  for (const [name, value] of Object.entries({ ...headers, ...(host !== undefined && { host: String(host) }) })) {
    if (name.startsWith(':') || value === undefined) continue;
    message.headers[name.toLowerCase()] = value;
    for (const one of Array.isArray(value) ? value : [value]) message.rawHeaders.push(name, one);
  }
  const request = withQuery(message);
  // its clients write none
  Object.assign(request._query, { EIO: '4', transport: 'webtransport' });
  delete request._query['sid'];
  return request;
}

/**
 * Waits for a client's first packet, which opens a session or names one.
 *
 * @returns the id that it names; undefined: a new session.
 * @throws Refusal
 */
export async function firstPacket(connection: WebTransportConnection): Promise<string | undefined> {
  let first: string | Buffer | null;
  try {
    first = (await connection.open()) ? await connection.first() : null;
  } catch (error) {
    // the client's doing: a stream that broke, or bytes that are no frame
    throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR', error });
  }
  if (first === '0') return undefined;
  const sid = typeof first === 'string' && first.startsWith('0') ? sidOf(first.slice(1)) : undefined;
  if (sid === undefined) throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR' });
  return sid;
}

function sidOf(text: string): string | undefined {
  try {
    const { sid } = JSON.parse(text) as { sid?: unknown };
    return typeof sid === 'string' && sid !== '' ? sid : undefined;
  } catch {
    return undefined;
  }
}
