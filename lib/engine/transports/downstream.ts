import type { OutgoingHttpHeaders } from 'node:http';
import { deadlineEntry, type DeadlineEntry } from '../deadlines.js';
import type { Packet } from '../protocol/packet.js';
import { ignoreError, refuse, refuseMethod, STREAM_HEADERS } from './answers.js';
import type { Envelope } from './envelope.js';
import { Framer } from './framer.js';
import { StreamResponse, type StreamOwner } from './stream-response.js';
import type {
  Confirmable,
  Transport,
  TransportEnd,
  TransportInit,
  TransportRequest,
  TransportResponse,
  TransportSink,
} from './transport.js';
import { parseCount, Unacknowledged } from './unacknowledged.js';
import { Unread } from './unread.js';
import { APPLIED, Upstream, type UpstreamSink } from './upstream.js';

/*
 * The way down of every streaming transport: one long response at a time, into which frames are written as they come. What
 * a frame looks like is the envelope's business.
 *
 * A client that asked for `resume=1` counts frames and says with each request how many it has (`ack=N`). The server keeps
 * what is not confirmed, and writes it again into the next response; so a response may end at any time, by plan or by
 * accident, and nothing is lost or doubled. A new GET replaces an open one, which may be half-dead without either side
 * knowing. POSTs carry a number as well (`seq=N`), so that one that is sent again is applied once. The session's heartbeat
 * decides when a client that does not come back is gone.
 *
 * A client that did not ask gets a plain stream, and its session ends with its response.
 */

/** Milliseconds an orderly close waits for a response that can carry it. */
const CLOSE_TIMEOUT = 30_000;

/** A streaming transport: EventSource, multipart, and what else puts an envelope around packets. */
export class Downstream implements Transport, UpstreamSink, StreamOwner, Confirmable {
  readonly name: string;
  writable: boolean;
  sink: TransportSink;
  private readonly init: TransportInit;
  private readonly envelope: Envelope;
  private readonly upstream: Upstream;
  private readonly unread: Unread;
  private readonly framer: Framer;
  /** The open one. */
  private stream: StreamResponse | null;
  /** Frames that the client has not confirmed; null: it did not ask for resume. */
  private sent: Unacknowledged | null;
  private started: boolean;
  private ended: boolean;
  /** Whether the client has been told that the session is over. */
  private saidGoodbye: boolean;
  /** Whether bytes were confirmed that nobody has been told of yet. */
  private hasRoom: boolean;
  /** Number of the last POST that was applied, and of the one that is being received. */
  private lastPost: number;
  private currentPost: number;
  /** A POST that was applied before and is being received again. */
  private repeated: Upstream | null;
  private closeTimer: NodeJS.Timeout | null;
  /** The wait for the first sign that the stream is read; null when there was one, or none is awaited. */
  private confirmation: DeadlineEntry<Confirmable> | null;

  constructor(name: string, envelope: Envelope, init: TransportInit) {
    this.name = name;
    this.writable = false;
    this.sink = init.sink;
    this.init = init;
    this.envelope = envelope;
    this.upstream = new Upstream(init.host, this, false);
    this.unread = new Unread(init.host);
    this.repeated = null;
    this.framer = Framer.of(envelope);
    this.stream = null;
    this.sent = null;
    this.started = false;
    this.ended = false;
    this.saidGoodbye = false;
    this.hasRoom = false;
    this.lastPost = 0;
    this.currentPost = 0;
    this.closeTimer = null;
    this.confirmation = null;
  }

  get carriesClose(): boolean {
    return true;
  }

  get bufferedBytes(): number {
    // what a response still holds of a counted stream are frames that are kept anyway
    return this.sent === null ? (this.stream?.response.writableLength ?? 0) + this.unread.bytes : this.sent.bytes;
  }

  handleRequest(request: TransportRequest, response: TransportResponse): void {
    response.on('error', ignoreError);
    if (response.destroyed) {
      // the client left while the request was examined: one that counts asks again
      if (this.sent === null && this.started) this.finish('transport error', new Error('stream closed prematurely'));
    } else if (this.ended) {
      refuse(response, 400);
    } else if (request.method === 'GET') {
      this.openStream(request, response);
    } else if (request.method === 'POST') {
      this.receive(request, response);
    } else {
      refuseMethod(response);
    }
  }

  send(packets: Packet[]): void {
    this.saidGoodbye = packets.at(-1)?.type === 'close';
    this.writeFrames(this.framer.frames(packets, this.init.supportsBinary));
    this.afterWrite();
    if (!this.stream?.isFull) this.sink.drained();
  }

  close(): void {
    if (this.ended) return;
    if (this.stream === null && !this.saidGoodbye) {
      this.closeTimer ??= setTimeout(() => this.finish('transport close'), CLOSE_TIMEOUT).unref();
      return;
    }
    this.finish('transport close');
  }

  discard(): void {
    if (this.stream !== null) this.sayGoodbye();
    this.release();
  }

  abort(): void {
    const { stream } = this;
    this.stream = null;
    this.release();
    stream?.response.destroy();
    this.unread.cut();
  }

  nudge(): void {
    this.endResponse();
  }

  upstreamBody(body: string | Buffer): boolean {
    this.lastPost = this.currentPost;
    // a POST that only confirms has no packets
    if (body.length === 0 && this.sent !== null) return true;
    for (const packet of this.init.codec.decodePayload(body)) {
      if (this.ended) return true;
      if (packet.type === 'close') {
        this.finish('transport close');
        return true;
      }
      this.sink.packet(packet);
      if (packet.type === 'error') return false;
    }
    return true;
  }

  upstreamCut(): void {
    // a client that counts sends it again, with the same number
    if (this.sent === null) this.finish('transport error', new Error('data request connection closed prematurely'));
  }

  upstreamFailed(problem: string, reason: TransportEnd): void {
    this.finish(reason, new Error(problem));
  }

  /** @internal */
  unconfirmed(): void {
    this.finish('transport error', new Error('the client never confirmed its stream'));
  }

  /** @internal */
  drain(stream: StreamResponse): void {
    if (this.stream === stream) this.update();
  }

  /** @internal */
  cut(stream: StreamResponse): void {
    const wasCut = this.unread.closed(stream.response);
    if (this.stream === stream) {
      this.stream = null;
      this.update();
    } else if (!wasCut) {
      return;
    }
    // a client that counts comes back for what is missing; a plain one has lost what was on its way
    if (this.sent === null) this.finish('transport error', new Error('stream closed prematurely'));
  }

  /** Takes a GET as the response to write to from now on. */
  private openStream(request: TransportRequest, response: TransportResponse): void {
    const query = request._query ?? {};
    if (!this.started) {
      this.started = true;
      if (query['resume'] === '1') this.expectConfirmation();
    } else if (this.sent === null && (this.stream !== null || this.unread.isThere)) {
      refuse(response, 400);
      this.finish('transport error', new Error('overlap from client'));
      this.unread.cut();
      return;
    } else {
      // whoever comes back has read the first response
      this.confirmed();
    }
    if (!this.confirm(query['ack'], response)) return;
    this.replaceResponse();
    const { host } = this.init;
    const opening = this.envelope.open(request);
    const headers: OutgoingHttpHeaders = { ...STREAM_HEADERS, ...opening.headers };
    const stream = new StreamResponse(response, host.decorateHeaders(headers, request), this.framer, this);
    this.stream = stream;
    let { prelude } = opening;
    if (this.sent !== null) prelude += this.envelope.position(this.sent.first);
    stream.write(prelude);
    if (this.sent !== null) stream.writeFrames(this.sent.pending());
    this.update();
    if (this.closeTimer !== null && this.stream !== null) this.finish('transport close');
  }

  /** A client behind a proxy that buffers, and one that has gone on to another transport, never show a sign. */
  private expectConfirmation(): void {
    this.sent = new Unacknowledged();
    this.confirmation = deadlineEntry<Confirmable>(this);
    this.init.host.unconfirmed.schedule(this.confirmation);
  }

  private confirmed(): void {
    if (this.confirmation === null) return;
    this.init.host.unconfirmed.cancel(this.confirmation);
    this.confirmation = null;
  }

  private receive(request: TransportRequest, response: TransportResponse): void {
    const query = request._query ?? {};
    this.confirmed();
    if (!this.confirm(query['ack'], response)) return;
    this.update();
    // what the update let through may have ended the session
    if (this.ended) return refuse(response, 400);
    if (this.sent !== null) {
      const number = parseCount(query['seq']);
      if (number > 0 && number <= this.lastPost) {
        this.repeated?.abort();
        this.repeated = new Upstream(this.init.host, APPLIED, false);
        this.repeated.handle(request, response);
        return;
      }
      if (number !== this.lastPost + 1) {
        refuse(response, 400);
        this.finish('transport error', new Error(`POST ${query['seq']} after ${this.lastPost}`));
        return;
      }
      // an open one is the same POST, whose connection the client has given up
      this.upstream.abort();
      this.currentPost = number;
    }
    this.upstream.handle(request, response);
  }

  /** Takes note of an acknowledgement. @returns false when it was wrong; the request has been answered then. */
  private confirm(ack: string | undefined, response: TransportResponse): boolean {
    if (this.sent === null || ack === undefined) return true;
    const { bytes } = this.sent;
    if (this.sent.confirm(parseCount(ack))) {
      this.hasRoom ||= this.sent.bytes < bytes;
      return true;
    }
    refuse(response, 400);
    this.finish('transport error', new Error(`client confirmed frame ${ack} of ${this.sent.next - 1}`));
    return false;
  }

  private writeFrames(frames: readonly Buffer[]): void {
    if (this.sent !== null) for (const frame of frames) this.sent.push(frame);
    this.stream?.writeFrames(frames);
  }

  /** Ends a response that has had its share, so that proxies and the client can let go of what they keep of it. */
  private afterWrite(): void {
    const { recycleBytes, recycleInterval } = this.init.host.options;
    const { sent, stream } = this;
    if (sent && stream && (stream.bytes >= recycleBytes || performance.now() - stream.since >= recycleInterval)) {
      this.endResponse();
    }
    this.writable = this.mayWrite();
  }

  private update(): void {
    const before = this.writable;
    this.writable = this.mayWrite();
    const { hasRoom } = this;
    this.hasRoom = false;
    if (this.writable && (hasRoom || !before)) this.sink.drained();
  }

  private mayWrite(): boolean {
    if (this.stream === null || this.stream.isFull || this.ended) return false;
    return this.sent === null || this.sent.leavesRoom(this.init.host.options.maxUnacknowledgedBytes);
  }

  /** The planned end of a response. */
  private endResponse(): void {
    const { stream } = this;
    if (stream === null) return;
    this.stream = null;
    this.writable = false;
    stream.response.end(this.envelope.end);
    this.unread.watch(stream.response);
  }

  /** Lets go of a response that another one replaces. It may be half-open: the client has given it up anyway. */
  private replaceResponse(): void {
    this.unread.cut();
    const { stream } = this;
    if (stream?.isFull) {
      // all that it holds is written again
      this.stream = null;
      stream.response.destroy();
    }
    this.endResponse();
    this.writable = false;
  }

  private sayGoodbye(): void {
    if (!this.saidGoodbye) this.writeFrames(this.envelope.frames([{ type: 'close' }], false));
    this.saidGoodbye = true;
    this.endResponse();
  }

  private finish(reason: TransportEnd, description?: unknown): void {
    if (this.ended) return;
    if (this.stream !== null) this.sayGoodbye();
    this.release();
    this.sink.closed(reason, description);
  }

  private release(): void {
    this.ended = true;
    this.confirmed();
    this.writable = false;
    this.sent?.clear();
    this.upstream.abort();
    this.repeated?.abort();
    if (this.closeTimer !== null) clearTimeout(this.closeTimer);
    this.closeTimer = null;
  }
}
