import type { Transport, TransportInit, TransportRequest } from './transport.js';
import { Downstream } from './downstream.js';
import { eventSourceEnvelope } from './eventsource.js';
import { htmlFileEnvelope, namesPage } from './htmlfile.js';
import { CALLBACK_PARAMETER, namesCallback } from './jsonp.js';
import { multipartEnvelope } from './multipart.js';
import { PollingTransport } from './polling.js';
import { WebSocketTransport, type WebSocketConnection } from './websocket.js';
import { WebTransportTransport, type WebTransportConnection } from './webtransport.js';

export type { WebSocketConnection } from './websocket.js';
export { WebTransportConnection, type WebTransportSession } from './webtransport.js';

/** Names of the transports that this version has, as on the wire and in the `transports` option. */
export type TransportName =
  'websocket' | 'eventsource' | 'multipart' | 'htmlfile' | 'polling' | 'jsonp' | 'flashsocket' | 'webtransport';

/**
 * The plain facts about a transport that the engine acts on, so that nothing has to ask for a name. A new transport is
 * one more row in {@link TRANSPORT_KINDS}.
 */
export type TransportKind = HttpTransportKind | UpgradeTransportKind | SessionTransportKind;

interface TransportFacts {
  readonly name: TransportName;
  /** Transports that a session may change to from this one; offered in the handshake when they are enabled. */
  readonly upgradesTo: readonly TransportName[];
  /** Whether stock clients know it; the others are offered to clients only that asked for resume. */
  readonly isStock: boolean;
  /** Whether its clients are Flash movies, which need a movie, and a policy file: see `flash-policy.ts`. */
  readonly usesFlash?: boolean;
  /**
   * Of which transport it is a form, and by which parameter of the query a request asks for the form. On the wire, and as
   * the transport of a session, it has the other's name; the two are enabled one by one.
   */
  readonly formOf?: { readonly name: TransportName; readonly parameter: string };
  /** What a page embeds to receive by it, where no CORS applies; who may, is judged by a rule of its own. */
  readonly embeddedAs?: 'script' | 'frame';
  /** Whether a request has the parameters that it needs, and they are what they have to be; else it is 400. */
  isWellFormed?(request: TransportRequest): boolean;
}

/** A transport of ordinary HTTP requests. */
export interface HttpTransportKind extends TransportFacts {
  readonly needsHttpUpgrade: false;
  readonly needsHttp3?: false;
  create(init: TransportInit): Transport;
}

/** A transport that takes over the connection of an HTTP Upgrade. */
export interface UpgradeTransportKind extends TransportFacts {
  readonly needsHttpUpgrade: true;
  readonly needsHttp3?: false;
  create(init: TransportInit, connection: WebSocketConnection): Transport;
}

/** A transport that no request of HTTP/1.1 begins: the application hands its sessions over. */
export interface SessionTransportKind extends TransportFacts {
  readonly needsHttpUpgrade: false;
  readonly needsHttp3: true;
  create(init: TransportInit, connection: WebTransportConnection): Transport;
}

/** Every transport there is, by its name. A Map: names come from the client, and `__proto__` is not a transport. */
export const TRANSPORT_KINDS: ReadonlyMap<string, TransportKind> = new Map<string, TransportKind>([
  [
    'polling',
    {
      name: 'polling',
      upgradesTo: ['websocket', 'webtransport', 'eventsource', 'multipart', 'htmlfile', 'flashsocket'],
      isStock: true,
      needsHttpUpgrade: false,
      create: (init) => new PollingTransport('polling', init),
    },
  ],
  [
    'eventsource',
    {
      name: 'eventsource',
      upgradesTo: ['websocket', 'webtransport'],
      isStock: false,
      needsHttpUpgrade: false,
      create: (init) => new Downstream('eventsource', eventSourceEnvelope, init),
    },
  ],
  [
    'multipart',
    {
      name: 'multipart',
      upgradesTo: ['websocket', 'webtransport'],
      isStock: false,
      needsHttpUpgrade: false,
      create: (init) => new Downstream('multipart', multipartEnvelope, init),
    },
  ],
  [
    'htmlfile',
    {
      name: 'htmlfile',
      upgradesTo: ['websocket', 'webtransport'],
      isStock: false,
      needsHttpUpgrade: false,
      embeddedAs: 'frame',
      isWellFormed: namesPage,
      create: (init) => new Downstream('htmlfile', htmlFileEnvelope, init),
    },
  ],
  [
    'jsonp',
    {
      name: 'jsonp',
      upgradesTo: ['websocket', 'webtransport'],
      isStock: true,
      needsHttpUpgrade: false,
      formOf: { name: 'polling', parameter: CALLBACK_PARAMETER },
      embeddedAs: 'script',
      isWellFormed: namesCallback,
      // which form an answer takes is said by each request
      create: (init) => new PollingTransport('polling', init),
    },
  ],
  [
    'websocket',
    {
      name: 'websocket',
      upgradesTo: [],
      isStock: true,
      needsHttpUpgrade: true,
      create: (init, connection) => new WebSocketTransport('websocket', init, connection),
    },
  ],
  [
    'flashsocket',
    {
      name: 'flashsocket',
      upgradesTo: [],
      isStock: false,
      usesFlash: true,
      needsHttpUpgrade: true,
      create: (init, connection) => new WebSocketTransport('flashsocket', init, connection),
    },
  ],
  [
    'webtransport',
    {
      name: 'webtransport',
      upgradesTo: [],
      isStock: true,
      needsHttpUpgrade: false,
      needsHttp3: true,
      create: (init, connection) => new WebTransportTransport('webtransport', init, connection),
    },
  ],
]);

/** Kinds that are a form of another, by the name of that. */
const FORMS: ReadonlyMap<string, TransportKind> = new Map(
  [...TRANSPORT_KINDS.values()].flatMap((kind) => (kind.formOf ? [[kind.formOf.name, kind] as const] : [])),
);

/** The kind of transport that a request asks for by its query; undefined when there is none. */
export function kindOf(query: Readonly<Record<string, string>>): TransportKind | undefined {
  const name = query['transport'] ?? '';
  const form = FORMS.get(name);
  if (form !== undefined && query[form.formOf!.parameter] !== undefined) return form;
  const kind = TRANSPORT_KINDS.get(name);
  return kind?.formOf === undefined ? kind : undefined;
}

/** The name of a kind on the wire, which is that of its transports as well. */
export function wireName(kind: TransportKind): string {
  return kind.formOf?.name ?? kind.name;
}

/** Transports that are on unless the `transports` option says otherwise; all of them may be named there. */
export const DEFAULT_TRANSPORTS: readonly TransportName[] = ['websocket', 'eventsource', 'polling'];
