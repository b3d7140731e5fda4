import { validateHeaderValue, type IncomingMessage } from 'node:http';
import { Refusal } from './errors.js';
import type { ResolvedOptions } from './options.js';
import { announcesBody, headerBytes, protocolOf } from './request.js';
import type { EngineRequest, Session } from './session.js';
import {
  kindOf,
  TRANSPORT_KINDS,
  wireName,
  type HttpTransportKind,
  type TransportKind,
  type UpgradeTransportKind,
} from './transports/registry.js';
import { isDraft, MAX_DRAFT_BYTES } from './websocket-draft.js';

/** What a request turned out to be. */
export interface Examined {
  /** The transport it names. */
  readonly kind: HttpTransportKind | UpgradeTransportKind;
  /** The session it names; none: it is a handshake. */
  readonly session: Session | undefined;
}

/** What {@link examine} reads of the engine. */
export interface ExaminedBy {
  readonly opts: ResolvedOptions;
  readonly clients: ReadonlyMap<string, Session>;
}

/**
 * Decides what a request is, in the order of Engine.IO, so that its error codes come out the same.
 *
 * @param isUpgrade whether it is an HTTP Upgrade.
 * @throws Refusal
 */
export function examine(engine: ExaminedBy, request: EngineRequest, isUpgrade: boolean): Examined {
  const { opts } = engine;
  const kind = examineHead(opts, request);
  if (kind.needsHttp3) throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR' });
  const { sid } = request._query;
  if (!sid) {
    if (request.method !== 'GET') throw new Refusal('BAD_HANDSHAKE_METHOD', { method: request.method });
    if (kind.needsHttpUpgrade !== isUpgrade) throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR' });
    const protocol = protocolOf(request);
    if (protocol === 3 && !(opts.allowEIO3 && kind.isStock))
      throw new Refusal('UNSUPPORTED_PROTOCOL_VERSION', { protocol });
    return { kind, session: undefined };
  }
  const session = engine.clients.get(sid);
  if (session === undefined) throw new Refusal('UNKNOWN_SID', { sid });
  if (!isUpgrade) checkRoute(session, kind);
  const protocol = protocolOf(request);
  if (session.protocol !== protocol) {
    // a session that mixed revisions would have the heartbeat of both and of neither
    throw new Refusal('BAD_REQUEST', { name: 'PROTOCOL_MISMATCH', protocol, previousProtocol: session.protocol });
  }
  return { kind, session };
}

/**
 * The part of {@link examine} that needs no session.
 *
 * @throws Refusal
 */
export function examineHead(opts: ResolvedOptions, request: EngineRequest): TransportKind {
  const kind = kindOf(request._query);
  if (kind === undefined || !opts.transports.includes(kind.name)) {
    throw new Refusal('UNKNOWN_TRANSPORT', { transport: request._query['transport'] });
  }
  if (kind.isWellFormed?.(request) === false) throw new Refusal('BAD_REQUEST', { name: 'INVALID_QUERY' });
  checkHeaders(request, opts.limits.maxHeaderBytes);
  return kind;
}

/** Whether a session may change from the transport it has to another one. */
export function mayUpgrade(session: Session, kind: TransportKind): boolean {
  const present = TRANSPORT_KINDS.get(session.transport.name);
  return session.server.opts.allowUpgrades && !session.upgrading && present!.upgradesTo.includes(kind.name);
}

/**
 * Asks the user's `allowRequest`, which is heard at handshakes only.
 *
 * @throws Refusal with the user's message.
 */
export function askAllowRequest(
  allowRequest: ResolvedOptions['allowRequest'],
  request: IncomingMessage,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(new Refusal('FORBIDDEN', { name: 'ALLOW_REQUEST_ERROR', error }));
    try {
      const returned: unknown = allowRequest(request, (message, success) => {
        if (success) resolve();
        else reject(new Refusal('FORBIDDEN', { message: message ?? undefined } as never));
      });
      // an async function is not asked for, but easily written; its rejection must not end the process
      if (returned instanceof Promise) returned.catch(fail);
    } catch (error) {
      fail(error);
    }
  });
}

/** The data of an open packet, for all sessions of an engine; made once for each transport. */
export class HandshakePackets {
  private readonly stockTails = new Map<TransportKind, string>();
  private readonly tails = new Map<TransportKind, string>();
  /** Of clients that speak WebSocket by the draft, whose messages are smaller. No transport is above a WebSocket. */
  private readonly draftTails = new Map<TransportKind, string>();

  constructor(private readonly opts: ResolvedOptions) {}

  /** JSON of sid, upgrades, pingInterval and pingTimeout in milliseconds, and maxPayload in bytes. */
  data(sid: string, kind: TransportKind, request: EngineRequest): string {
    const knowsOurs = request._query['resume'] === '1';
    const speaksDraft = this.opts.drafts && kind.needsHttpUpgrade && isDraft(request);
    const tails = speaksDraft ? this.draftTails : knowsOurs ? this.tails : this.stockTails;
    let tail = tails.get(kind);
    if (tail === undefined) {
      const { allowUpgrades, transports, pingInterval, pingTimeout, maxHttpBufferSize } = this.opts;
      const maxPayload = speaksDraft ? Math.min(maxHttpBufferSize, MAX_DRAFT_BYTES) : maxHttpBufferSize;
      const offered = kind.upgradesTo.filter((name) => knowsOurs || TRANSPORT_KINDS.get(name)!.isStock);
      const upgrades = allowUpgrades ? offered.filter((name) => transports.includes(name)) : [];
      tail = JSON.stringify({ upgrades, pingInterval, pingTimeout, maxPayload }).slice(1);
      tails.set(kind, tail);
    }
    return `{"sid":${JSON.stringify(sid)},${tail}`;
  }
}

function checkHeaders(request: EngineRequest, maxHeaderBytes: number): void {
  const { origin } = request.headers;
  if (origin !== undefined && !isLegal(origin)) {
    // it must not reach a header of the answer
    delete request.headers.origin;
    throw new Refusal('BAD_REQUEST', { name: 'INVALID_ORIGIN', origin });
  }
  if (request.method === 'GET' && announcesBody(request)) {
    // nobody would read it: Node stops reading such a connection, and then does not see that it was cut
    throw new Refusal('BAD_REQUEST', { name: 'UNEXPECTED_BODY' });
  }
  if (headerBytes(request) > maxHeaderBytes) throw new Refusal('HEADERS_TOO_LARGE', { name: 'maxHeaderBytes' });
}

function isLegal(value: string): boolean {
  try {
    validateHeaderValue('Origin', value);
    return true;
  } catch {
    return false;
  }
}

/**
 * A plain request has to name the transport in use, the candidate of an upgrade, or one to upgrade to.
 *
 * @throws Refusal
 */
export function checkRoute(session: Session, kind: TransportKind): void {
  const name = wireName(kind);
  if (session.transport.name === name || session.upgrade?.candidate.name === name) return;
  if (!kind.needsHttpUpgrade && mayUpgrade(session, kind)) return;
  throw new Refusal('BAD_REQUEST', {
    name: 'TRANSPORT_MISMATCH',
    transport: kind.name,
    previousTransport: session.transport.name,
  });
}
