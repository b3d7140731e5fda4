import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { CloseReason } from '../close-reason.js';
import type { DeadlineQueue } from '../deadlines.js';
import type { Inbox } from '../inbox.js';
import type { Codec } from '../protocol/codec.js';
import type { Packet } from '../protocol/packet.js';

/**
 * The part of an HTTP request that transports read: a node `IncomingMessage` has it, and so has a request that a relay
 * or a test makes up.
 */
export interface TransportRequest {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The parsed query; set by the engine. */
  readonly _query?: Readonly<Record<string, string>>;
  /**
   * Whether another node has handed it over. When that node goes away so does the request, and neither the client nor what
   * stands before the nodes had a part in it: they may send it again.
   */
  readonly isRelayed?: boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  destroy(): unknown;
}

/** The part of an HTTP response that transports write: a node `ServerResponse` has it, and so has a relayed one. */
export interface TransportResponse {
  readonly headersSent: boolean;
  /** Whether the connection is gone, and `close` past. */
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  /** The connection it is written to, if it has one of its own here; null while it waits for that. */
  readonly socket?: { readonly destroyed: boolean } | null;
  /** Bytes that were written and have not left yet; a relayed response need not know. */
  readonly writableLength?: number;
  writeHead(status: number, headers?: OutgoingHttpHeaders): unknown;
  /** @returns false when the caller should wait for `drain` before it writes more. */
  write(chunk: string | Uint8Array): boolean;
  end(chunk?: string | Uint8Array): unknown;
  /** Hold writes back, and let them go in one piece, where the response can. */
  cork?(): void;
  uncork?(): void;
  on(event: 'close' | 'drain' | 'finish', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  destroy(): unknown;
}

/**
 * On every answer of ours: nobody is to keep it, and nobody to take it for anything else than it says it is. The first is
 * spelled as Engine.IO spells it, for listeners of `headers` may look for it.
 */
export const ANSWER_HEADERS: Readonly<OutgoingHttpHeaders> = {
  'cache-control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** How a transport ended, as far as the transport can know. */
export type TransportEnd = Extract<CloseReason, 'transport close' | 'transport error' | 'parse error'>;

/**
 * The one object a transport delivers to. It may be exchanged at any time (that is what an upgrade does), so a transport
 * reads its `sink` field at each call and keeps no copy.
 */
export interface TransportSink {
  /** A packet arrived. */
  packet(packet: Packet): void;
  /** All that was handed to `send()` has left this process, or a response to write to came: look at `writable`. */
  drained(): void;
  /**
   * The transport ended; it delivers nothing after that. Called once, and not at all after `discard()`.
   *
   * @param description what is known about it, for logs and for the `close` event.
   */
  closed(reason: TransportEnd, description?: unknown): void;
}

/** Takes what a transport still delivers when nobody is above it: before its session is there, and after that let it go. */
export const NOBODY: TransportSink = {
  packet() {},
  drained() {},
  closed() {},
};

/** A transport whose client has yet to show that what is written reaches it. */
export interface Confirmable {
  /** The client did not in time. */
  unconfirmed(): void;
}

/** What a transport needs of the engine, the same object for all of one engine: it costs no memory a session. */
export interface TransportHost {
  readonly options: TransportOptions;
  /** Keeps what is read until the end of the turn. */
  readonly inbox: Inbox;
  /** Bytes of request bodies that are being received, over all sessions; checked against `maxPendingUpstreamBytes`. */
  pendingUpstreamBytes: number;
  /** Transports that wait for their first sign of the client. */
  readonly unconfirmed: DeadlineQueue<Confirmable>;
  /** Answers that have ended and whose clients have not read them whole; they are cut when their time is over. */
  readonly unread: DeadlineQueue<TransportResponse>;
  /** Whether the engine is ending: last answers then ask for the connection to be closed. */
  readonly closing: boolean;
  /** Lets `initial_headers` and `headers` listeners, and the cookie option, add to the headers of an answer. */
  decorateHeaders(headers: OutgoingHttpHeaders, request: TransportRequest): OutgoingHttpHeaders;
  /** Reports a limit that was exceeded, at most once a second for each limit. */
  limitExceeded(limit: string, detail: string): void;
}

/** Options that transports read. Bytes, unless said otherwise. */
export interface TransportOptions {
  readonly maxHttpBufferSize: number;
  readonly httpCompression: false | { readonly threshold: number; readonly [zlibOption: string]: unknown };
  readonly maxPendingUpstreamBytes: number;
  readonly maxUnacknowledgedBytes: number;
  /** Bytes after which a streaming response is ended and asked for anew; Infinity: never. */
  readonly recycleBytes: number;
  /** Milliseconds after which it is. */
  readonly recycleInterval: number;
}

/** What a transport is made of. */
export interface TransportInit {
  readonly host: TransportHost;
  readonly codec: Codec;
  /** Whether the client can take binary data (it did not ask for `b64=1`). */
  readonly supportsBinary: boolean;
  readonly sink: TransportSink;
}

/**
 * How packets travel for one session. A transport never asks who is above it, and a session never asks which transport
 * it has: what differs stands in these members and in the {@link TransportKind} of the registry.
 *
 * There is no `read`: packets come when they come, through the sink. There is one `send` for many packets, so that a
 * transport can put all of one turn of the event loop into one write.
 */
export interface Transport {
  /** The name on the wire (`transport=…`). For routing and for people; never for deciding what to do. */
  readonly name: string;
  /** Whether `send()` may be called now. socket.io drops volatile packets while this is false. */
  readonly writable: boolean;
  /**
   * Whether the last packet of a `send()` may be a close packet, which the client then finds together with what was sent
   * before it. `close()` follows at once.
   */
  readonly carriesClose: boolean;
  /** Bytes handed over that have not left this process yet; with the session's own buffer, what a slow reader costs. */
  readonly bufferedBytes: number;
  sink: TransportSink;
  /**
   * Sends packets, in order. Only while `writable`; may set `writable` to false until the sink's `drained()`.
   * The array belongs to the transport from then on; the packets do not.
   */
  send(packets: Packet[]): void;
  /**
   * A further HTTP request that names this session and this transport. A transport without HTTP requests answers 400.
   * The response is the transport's from here on: it ends it in every case.
   */
  handleRequest(request: TransportRequest, response: TransportResponse): void;
  /**
   * Ends the connection in an orderly way, telling the client where the wire has a word for it, and then calls the
   * sink's `closed()`: at once, or when the client came for the word, or after a time.
   */
  close(): void;
  /** Hands over now what was read and waits for the end of the turn, where a transport keeps anything back. */
  deliver?(): void;
  /** Ends at once and silently: parked responses are answered, nothing is waited for, the sink hears nothing more. */
  discard(): void;
  /** The same for a client that does not read: the connection is cut, whatever is on its way. */
  abort(): void;
  /** Finishes a parked response, so that the client is free to change its transport. Nothing parked: does nothing. */
  nudge(): void;
}
