import { Transport } from 'engine.io-client';
import { rememberHandshake, handshakeOf, type Handshake } from './handshake.js';
import { onPageHide, type PageHideEvent } from './page-hide.js';
import { CLOSE, encodePacket, payloads, SEPARATOR, type Packet } from './packets.js';
import { backOff, isTemporary, type Stream, type StreamCut, type StreamRequest, type StreamSink } from './stream.js';
import { Timers } from './timers.js';
import { Upstream, type UpstreamOwner } from './upstream.js';

/*
 * What the streaming transports have in common: packets come down in one long response after the other and go up in POSTs.
 * How packets are wrapped in a response is the business of those who extend this.
 *
 * The client asks for resume: frames are counted, and every request tells how many have come. So a response may end at any
 * time, and the next one goes on where it ended; a POST that went wrong is sent again. The session ends when the server
 * says so, when the heartbeat stops, or when nothing could be reached for a time. (See docs/protocol.md.)
 */

/** Options of a streaming transport, under its name in `transportOptions`. Milliseconds. */
export interface StreamingOptions {
  /** Until the first packet. Default 10,000. */
  openTimeout?: number;
  /** For which requests of an open session are tried again. Default 20,000. */
  retryFor?: number;
}

/** Bytes of frames after which the server is told that they came. */
const CONFIRM_BYTES = 64 * 1024;

/** Milliseconds after which the server is told that the stream is read, when nothing else told it. */
const CONFIRM_DELAY = 1000;

/** Why a session ended whose POSTs were answered while nothing came down. */
export const HELD_BACK = 'the stream is held back';

/** Bytes of a POST when the server's limit is not known, since another copy of the library has read the handshake. */
const CAUTIOUS_PAYLOAD = 100_000;

/** The parts of engine.io-client's Socket that are used if they are there; minified builds have other names for them. */
interface SocketInternals {
  readonly binaryType?: string;
  readonly _cookieJar?: { appendCookies(headers: Headers): void; parseCookies(values: string[]): void };
}

/** A transport that streams; for `transports` of engine.io-client and socket.io-client. */
export abstract class StreamingTransport extends Transport implements UpstreamOwner {
  declare readonly setTimeoutFn: typeof setTimeout;
  declare readonly clearTimeoutFn: typeof clearTimeout;
  /**
   * Milliseconds by which a candidate of an upgrade lets stock ones go first: the server tries one at a time.
   *
   * @package
   */
  protected candidateDelay = 300;
  private readonly upstream: Upstream;
  private readonly openTimeout: number;
  private readonly retryFor: number;
  private stream: Stream | null = null;
  /** Number of the next frame of this response; 0: the response has not told. */
  private next = 0;
  /** Number of the last frame that came. */
  private received = 0;
  private bytesToConfirm = 0;
  private writes = 0;
  /** Responses in a row that told nothing, and since when. */
  private failures = 0;
  private failingSince = 0;
  /** Since when responses tell nothing although they are not cut. */
  private heldBackSince = 0;
  /** Whether the last response ended by plan, so that nothing is on its way. */
  private endedByPlan = false;
  private lastSign = 0;
  private onPaused: (() => void) | null = null;
  private readonly timers = new Timers<'open' | 'reopen' | 'confirm' | 'watch'>(this);
  private readonly onPageHide = (event: PageHideEvent): void => {
    // else its session would wait for it until the heartbeat stops
    this.upstream.close(true);
    // kept by the browser, it answers no pings, and connects anew should it be shown again
    if (event.persisted) this.onClose({ description: 'the page went away' });
    else this.release();
  };

  constructor(opts: any) {
    super(opts);
    const { openTimeout = 10_000, retryFor = 20_000 } = opts as StreamingOptions;
    this.openTimeout = openTimeout;
    this.retryFor = retryFor;
    this.upstream = new Upstream(this, retryFor);
  }

  /** Begins to read a response. May deliver to the sink later only, never before it returns. */
  protected abstract read(request: StreamRequest, sink: StreamSink): Stream;

  // What engine.io-client calls.

  override doOpen(): void {
    this.timers.start('open', this.openTimeout, () => this.onError('open timeout', undefined));
    if (this.isCandidate && this.candidateDelay > 0) this.timers.start('reopen', this.candidateDelay, () => this.get());
    else this.get();
  }

  override doClose(): void {
    // a response that has not told its session's id takes no POST: cut, the server ends it in time
    if (this.query['sid'] && this.readyState !== 'opening') this.upstream.close();
    this.release();
  }

  override write(packets: Packet[]): void {
    this.writable = false;
    this.writes++;
    const encoded = packets.map(encodePacket);
    const limit = handshakeOf(this.socket)?.maxPayload ?? CAUTIOUS_PAYLOAD;
    const send = (texts: string[]): void => this.upstream.send(payloads(texts, limit), () => this.written());
    if (encoded.every((text) => typeof text === 'string')) send(encoded);
    else Promise.all(encoded).then(send, (error: unknown) => this.onError('blob cannot be read', error));
  }

  override pause(onPause: () => void): void {
    this.readyState = 'pausing';
    this.onPaused = onPause;
    if (this.endedByPlan) this.timers.stop('reopen');
    this.checkPause();
  }

  override onClose(details?: any): void {
    this.release();
    super.onClose(details);
  }

  override onError(reason: string, description: unknown, context?: unknown): this {
    this.releaseStream();
    return super.onError(reason, description, context);
  }

  override onOpen(): void {
    this.timers.stop('open');
    onPageHide('add', this.onPageHide);
    super.onOpen();
  }

  // What the upstream needs.

  /** @package */
  postUri(number: number): string {
    return this.requestUri(this.upstream.isCounted ? { seq: number, ack: this.confirmed() } : {});
  }

  /** @package */
  requestInit(): RequestInit {
    const { extraHeaders, withCredentials } = this.opts as { extraHeaders?: Record<string, string> } & typeof this.opts;
    const headers = new Headers(extraHeaders);
    this.internals._cookieJar?.appendCookies(headers);
    const init = { headers, credentials: withCredentials ? 'include' : 'same-origin', cache: 'no-store' };
    return init as RequestInit;
  }

  /** @package */
  answered(response: Response): void {
    this.internals._cookieJar?.parseCookies(response.headers.getSetCookie());
  }

  /** @package */
  posted(): void {
    if (this.readyState === 'open' && this.bytesToConfirm >= CONFIRM_BYTES) this.upstream.send(['']);
  }

  /** @package */
  upstreamIdle(): void {
    this.checkPause();
  }

  /** @package */
  upstreamFailed(reason: string, status: number | undefined): void {
    this.fail(reason, status);
  }

  // The way down.

  private get isCandidate(): boolean {
    return this.readyState === 'opening' && Boolean(this.query['sid']);
  }

  private get internals(): SocketInternals {
    return this.socket as unknown as SocketInternals;
  }

  private get(): void {
    this.next = 0;
    this.endedByPlan = false;
    const resume = this.upstream.isCounted ? { ack: this.confirmed() } : { resume: 1 };
    const request: StreamRequest = {
      uri: this.requestUri(resume),
      init: this.requestInit(),
      answered: (response) => this.answered(response),
    };
    // a response that was let go of delivers nothing any more, even if it should try
    const isCurrent = (): boolean => this.stream === stream;
    const sink: StreamSink = {
      position: (number) => isCurrent() && this.beginAt(number),
      payload: (text, bytes) => isCurrent() && this.frame(text.split(SEPARATOR), bytes),
      packets: (json, bytes) => isCurrent() && this.frame(JSON.parse(json) as string[], bytes),
      binary: (data) => isCurrent() && this.frame([data], data.byteLength),
      plannedEnd: () => isCurrent() && this.ended(),
      cut: (cause) => isCurrent() && this.cut(cause),
    };
    const stream: Stream = this.read(request, sink);
    this.stream = stream;
    if (this.readyState !== 'opening') this.timers.start('watch', this.patience, () => this.heldBack());
  }

  private beginAt(number: number): void {
    this.heard();
    if (number > this.received + 1) {
      this.fail(`frames ${this.received + 1} to ${number - 1} are missing`);
      return;
    }
    this.upstream.isCounted = true;
    this.next = number;
    this.failures = 0;
    this.heldBackSince = 0;
    this.watch();
    if (this.isCandidate) this.onOpen();
  }

  private frame(packets: readonly (string | ArrayBuffer)[], bytes: number): void {
    this.heard();
    if (this.next > 0) {
      const number = this.next++;
      if (number <= this.received) return;
      this.received = number;
      this.bytesToConfirm += bytes;
    }
    // before what comes with it: nobody is there to be answered
    if (packets.includes(CLOSE)) this.upstream.stop();
    for (const packet of packets) {
      if (this.readyState === 'closed') return;
      try {
        this.deliver(packet);
      } catch (error) {
        // of a listener: it is to be seen as an uncaught exception, but no packet is to be lost by it
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    if (this.readyState === 'open' && this.bytesToConfirm >= CONFIRM_BYTES && this.upstream.isIdle) {
      this.upstream.send(['']);
    }
  }

  private deliver(packet: string | ArrayBuffer): void {
    if (packet === CLOSE) {
      this.releaseStream();
      // socket.io-client hears of the packets before this one a tick later, its `disconnect` among them
      this.timers.start('reopen', 0, () => this.onClose({ description: 'transport closed by the server' }));
      return;
    }
    if (this.readyState === 'opening' && typeof packet === 'string' && packet.startsWith('0')) {
      rememberHandshake(this.socket, JSON.parse(packet.slice(1)) as Handshake);
      this.onOpen();
      this.onData(packet as never);
      this.watch();
      this.timers.start('confirm', CONFIRM_DELAY, () => {
        if (!this.upstream.isUsed && this.upstream.isCounted) this.upstream.send(['']);
      });
      return;
    }
    this.onData(packet as never);
  }

  /** The response came to its planned end. */
  private ended(): void {
    this.releaseStream();
    this.endedByPlan = true;
    if (this.readyState === 'pausing') this.checkPause();
    else if (this.readyState === 'open') this.reopen({ reason: 'response ended' });
    else this.fail('the server ended the stream');
  }

  /** The response ended otherwise. */
  private cut(cause: StreamCut): void {
    this.releaseStream();
    if (this.readyState === 'opening' || !this.upstream.isCounted || cause.isNonsense) {
      this.fail(cause.reason, cause.status);
    } else if (isTemporary(cause.status)) {
      this.reopen(cause);
    } else {
      this.fail(cause.reason, cause.status);
    }
  }

  private reopen(cause: StreamCut): void {
    if (!this.upstream.isCounted) {
      this.fail(cause.reason);
      return;
    }
    if (this.next === 0) this.failures++;
    if (this.failures === 1) this.failingSince = Date.now();
    else if (this.failures > 1 && Date.now() - this.failingSince > this.retryFor) {
      this.fail(cause.reason, cause.status);
      return;
    }
    // where a refusal cannot be seen, a POST tells whether there still is a session
    if (this.failures > 1 && cause.status === undefined && this.upstream.isIdle) this.upstream.send(['']);
    this.timers.start('reopen', backOff(this.failures), () => this.get());
  }

  /** A response that should have told its position at once did not: somebody keeps it, or the connection is dead. */
  private heldBack(): void {
    this.releaseStream();
    // what goes up is answered, what comes down is not delivered, twice: it is the stream, not the network
    if (this.heldBackSince > 0 && this.upstream.lastAnswer >= this.heldBackSince) {
      this.fail(HELD_BACK);
      return;
    }
    this.heldBackSince ||= Date.now();
    if (this.upstream.isIdle) this.upstream.send(['']);
    this.reopen({ reason: HELD_BACK });
  }

  /** Asks for another response when nothing came for longer than pings take: a connection can die without a word. */
  private watch(): void {
    const handshake = handshakeOf(this.socket);
    if (handshake === undefined || this.readyState === 'opening') return;
    const limit = handshake.pingInterval + handshake.pingTimeout / 4;
    const check = (): void => {
      const left = this.lastSign + limit - Date.now();
      if (left > 0) {
        this.timers.start('watch', left, check);
        return;
      }
      this.releaseStream();
      this.next = 0;
      this.reopen({ reason: 'nothing came for too long' });
    };
    this.timers.start('watch', limit, check);
  }

  private heard(): void {
    this.lastSign = Date.now();
  }

  /** Milliseconds in which the next response has to tell its position. */
  private get patience(): number {
    return Math.max(500, Math.min(4000, (handshakeOf(this.socket)?.pingTimeout ?? 20_000) / 5));
  }

  /** The number that the request being made confirms. */
  private confirmed(): number {
    this.bytesToConfirm = 0;
    return this.received;
  }

  private written(): void {
    this.writes--;
    if (this.writes > 0 || this.readyState === 'closed') return;
    this.writable = true;
    this.emitReserved('drain');
  }

  private checkPause(): void {
    if (this.readyState !== 'pausing' || !this.endedByPlan || !this.upstream.isIdle) return;
    this.readyState = 'paused';
    this.release();
    const { onPaused } = this;
    this.onPaused = null;
    onPaused?.();
  }

  private fail(reason: string, status?: number): void {
    // to a session that is not there nobody says goodbye
    if (!isTemporary(status)) this.upstream.stop();
    if (this.readyState !== 'closed') this.onError(reason, status);
  }

  private requestUri(extra: Record<string, unknown>): string {
    const { secure, timestampRequests, timestampParam = 't' } = this.opts;
    const query: Record<string, unknown> = { ...this.query, ...extra };
    if (timestampRequests) query[timestampParam] = Date.now().toString(36) + Math.random().toString(36).slice(2, 6);
    if (!this.supportsBinary) query['b64'] = 1;
    return this.createUri(secure ? 'https' : 'http', query);
  }

  private releaseStream(): void {
    const { stream } = this;
    this.stream = null;
    this.timers.stop('watch');
    stream?.close();
  }

  private release(): void {
    this.releaseStream();
    this.timers.stopAll();
    onPageHide('remove', this.onPageHide);
  }
}
