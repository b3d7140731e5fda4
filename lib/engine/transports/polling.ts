import type { OutgoingHttpHeaders } from 'node:http';
import { createDeflate, createGzip, type ZlibOptions } from 'node:zlib';
import accepts from 'accepts';
import { ERROR_PACKET, type Packet } from '../protocol/packet.js';
import { ignoreError, refuse, refuseMethod } from './answers.js';
import { callbackOf, fromForm, toScript } from './jsonp.js';
import { Retries } from './retries.js';
import {
  ANSWER_HEADERS,
  type Transport,
  type TransportEnd,
  type TransportInit,
  type TransportRequest,
  type TransportResponse,
  type TransportSink,
} from './transport.js';
import { Unread } from './unread.js';
import { APPLIED, Upstream, type UpstreamSink } from './upstream.js';

/*
 * How it works: a GET waits until there is something to send and is then answered with a payload; the client asks again
 * at once. Packets go up in POSTs. So the transport is writable while a GET is parked, and each GET takes one batch. A
 * client asks again when it has read the whole answer: one that asks earlier breaks the protocol, and would make us keep
 * answer after answer that it does not read.
 *
 * A client whose browser has few connections left asks with `wait=0`: such a GET is answered in the same turn of the event
 * loop, with a noop if there is nothing to send. (See "Brief polling" in docs/protocol.md.)
 *
 * An orderly close waits for the next GET to deliver the close packet, up to CLOSE_TIMEOUT.
 */

const kPolling = Symbol('nestwire.polling');

interface OwnedResponse extends TransportResponse {
  [kPolling]?: PollingTransport;
}

/** Milliseconds an orderly close waits for a GET that can carry it. */
const CLOSE_TIMEOUT = 30_000;

const COMPRESSORS = { gzip: createGzip, deflate: createDeflate } as const;

/** AJAX long polling, and JSONP polling: which of them is up to each request. */
export class PollingTransport implements Transport, UpstreamSink {
  readonly name: string;
  writable: boolean;
  sink: TransportSink;
  private readonly init: TransportInit;
  private readonly upstream: Upstream;
  private readonly unread: Unread;
  private request: TransportRequest | null;
  private response: OwnedResponse | null;
  private ended: boolean;
  /** Whether the client has been told that the session is over. */
  private saidGoodbye: boolean;
  /** Set while an orderly close waits for its GET. */
  private closeTimer: NodeJS.Timeout | null;
  /** Once a request has come by another node. */
  private retries: Retries | null;
  /** Whether the POST that is being received is a form. */
  private isForm: boolean;
  /** The POST that is being received or was received last, if it came by another node. */
  private relayedPost: TransportRequest | null;

  constructor(name: string, init: TransportInit) {
    this.name = name;
    this.writable = false;
    this.sink = init.sink;
    this.init = init;
    this.upstream = new Upstream(init.host, this, init.codec.version === 3);
    this.unread = new Unread(init.host);
    this.request = null;
    this.response = null;
    this.ended = false;
    this.saidGoodbye = false;
    this.closeTimer = null;
    this.retries = null;
    this.isForm = false;
    this.relayedPost = null;
  }

  /**
   * Our own client only, which asks for resume: the stock one forgets the packets before a close packet of the same payload,
   * socket.io's DISCONNECT among them, and would connect again.
   */
  get carriesClose(): boolean {
    return this.request?._query?.['resume'] === '1';
  }

  get bufferedBytes(): number {
    return this.unread.bytes;
  }

  handleRequest(request: TransportRequest, response: TransportResponse): void {
    response.on('error', ignoreError);
    if (request.isRelayed) this.retries ??= new Retries();
    this.retries?.settle();
    if (request.method === 'GET') {
      this.park(request, response);
    } else if (request.method === 'POST') {
      this.receive(request, response);
    } else {
      refuseMethod(response);
    }
  }

  send(packets: Packet[]): void {
    if (this.closeTimer !== null) packets.push({ type: 'close' });
    this.saidGoodbye = packets.at(-1)?.type === 'close';
    this.answer(packets);
    if (this.closeTimer !== null) this.end('transport close');
    else this.sink.drained();
  }

  close(): void {
    if (this.ended) return;
    this.upstream.abort();
    if (!this.writable && !this.saidGoodbye) {
      this.closeTimer ??= setTimeout(() => this.end('transport close'), CLOSE_TIMEOUT).unref();
      return;
    }
    // end() tells whoever waits for it
    this.end('transport close');
  }

  discard(): void {
    this.ended = true;
    this.clearCloseTimer();
    this.retries?.settle();
    this.upstream.abort();
    if (this.writable) this.answer([{ type: 'close' }]);
  }

  abort(): void {
    this.discard();
    this.unread.cut();
  }

  nudge(): void {
    if (this.writable) this.answer([{ type: 'noop' }]);
  }

  upstreamBody(body: string | Buffer): boolean {
    if (this.relayedPost !== null) this.retries!.applied(this.relayedPost);
    for (const packet of this.decode(body)) {
      if (this.ended) return true;
      if (packet.type === 'close') {
        this.nudge();
        this.end('transport close');
        return true;
      }
      this.sink.packet(packet);
      if (packet.type === 'error') return false;
    }
    return true;
  }

  upstreamCut(): void {
    this.lost('data request connection closed prematurely', this.relayedPost !== null);
  }

  upstreamFailed(problem: string, reason: TransportEnd): void {
    this.end(reason, new Error(problem));
  }

  /** @internal The client went away from a response that was not written whole. */
  cut(response: OwnedResponse): void {
    const wasCut = this.unread.closed(response);
    if (this.response === response) {
      const mayRepeat = this.request!.isRelayed === true;
      this.forgetResponse();
      this.lost('poll connection closed prematurely', mayRepeat);
    } else if (wasCut) {
      this.lost('poll response was cut', this.retries?.mayRepeatPoll ?? false);
    }
  }

  /** @internal The turn in which a brief poll came is over. */
  endBrief(response: OwnedResponse): void {
    if (this.response === response) this.nudge();
  }

  private park(request: TransportRequest, response: OwnedResponse): void {
    const { sid, resume, wait } = request._query ?? {};
    // without resume it is an application's own: stock clients let it put what it likes into the query
    const isBrief = sid !== undefined && resume === '1' && wait !== undefined;
    if (isBrief && wait !== '0') {
      refuse(response, 400);
      return;
    }
    if (this.retries !== null && this.takeRepeated(request, response, this.retries)) return;
    if (this.response !== null || this.unread.isThere || this.ended) {
      refuse(response, 400);
      this.end('transport error', new Error('overlap from client'));
      this.unread.cut();
      return;
    }
    if (response.destroyed) {
      // the client left while the request was examined
      this.end('transport error', new Error('poll connection closed prematurely'));
      return;
    }
    this.request = request;
    this.response = response;
    response[kPolling] = this;
    response.on('close', onResponseClose);
    this.writable = true;
    this.sink.drained();
    // the close waited for this response, and nothing else was to be sent
    if (this.writable && this.closeTimer !== null) this.send([{ type: 'noop' }]);
    // behind what the session sends at the end of this turn
    else if (isBrief) setImmediate(endBrief, this, response);
  }

  /** Takes a POST, unless it has come before. */
  private receive(request: TransportRequest, response: TransportResponse): void {
    const { init, retries, upstream } = this;
    if (this.ended) {
      refuse(response, 400);
      return;
    }
    if (retries?.isApplied(request)) {
      new Upstream(init.host, APPLIED, init.codec.version === 3).handle(request, response);
      return;
    }
    // the earlier one is on a connection that is dead, and has not been heard of so yet
    if (this.relayedPost !== null && isSame(request, this.relayedPost)) upstream.abort();
    this.relayedPost = request.isRelayed === true ? request : null;
    this.isForm = callbackOf(request) !== undefined;
    upstream.handle(request, response);
  }

  /**
   * A poll that comes again takes the place of the one that is parked, or gets the answer that it had got.
   *
   * @returns whether it was answered.
   */
  private takeRepeated(request: TransportRequest, response: OwnedResponse, retries: Retries): boolean {
    if (this.ended) return false;
    if (this.response !== null) {
      const parked = this.response;
      if (!isSame(request, this.request!)) return false;
      this.forgetResponse();
      parked.destroy();
      return false;
    }
    const packets = retries.answerTo(request);
    if (packets === undefined) return false;
    this.unread.cut();
    if (packets === null) {
      refuse(response, 400);
      this.end('transport error', new Error('an answer was lost that is not kept'));
      return true;
    }
    this.request = request;
    this.response = response;
    response[kPolling] = this;
    response.on('close', onResponseClose);
    this.answer(packets);
    return true;
  }

  private decode(body: string | Buffer): readonly Packet[] {
    const { codec } = this.init;
    if (!this.isForm) return codec.decodePayload(body);
    const payload = typeof body === 'string' ? fromForm(body) : null;
    return payload === null ? [ERROR_PACKET] : codec.decodePayload(payload);
  }

  /** A request was cut. @param mayRepeat whether it may come again by another node. */
  private lost(problem: string, mayRepeat: boolean): void {
    const end = (): void => this.end('transport error', new Error(problem));
    if (mayRepeat && !this.ended) this.retries!.wait(end);
    else end();
  }

  /** Answers the parked GET. */
  private answer(packets: readonly Packet[]): void {
    const request = this.request!;
    const response = this.response!;
    this.forgetResponse();
    const { host, codec, supportsBinary } = this.init;
    const callback = callbackOf(request);
    const payload = codec.encodePayload(packets, supportsBinary && callback === undefined);
    const body = callback === undefined ? payload : toScript(callback, payload as string);
    const type = callback === undefined ? 'text/plain' : 'text/javascript';
    const headers: OutgoingHttpHeaders = {
      'Content-Type': typeof body === 'string' ? `${type}; charset=UTF-8` : 'application/octet-stream',
      ...ANSWER_HEADERS,
    };
    if (host.closing) headers['Connection'] = 'close';
    const length = Buffer.byteLength(body);
    if (request.isRelayed) this.retries!.answered(request, packets, length);
    const encoding = this.compression(packets, length, request);
    if (encoding === undefined) {
      headers['Content-Length'] = length;
      response.writeHead(200, host.decorateHeaders(headers, request));
      response.end(body);
      this.unread.watch(response);
      return;
    }
    headers['Content-Encoding'] = encoding;
    response.writeHead(200, host.decorateHeaders(headers, request));
    const compressor = COMPRESSORS[encoding](host.options.httpCompression as ZlibOptions);
    compressor.on('data', (chunk: Buffer) => response.write(chunk));
    compressor.on('end', () => response.end());
    compressor.on('error', () => response.destroy());
    // nobody is there to compress for any more
    response.on('close', () => compressor.destroy());
    this.unread.watch(response);
    compressor.end(body);
  }

  private compression(
    packets: readonly Packet[],
    length: number,
    request: TransportRequest,
  ): 'gzip' | 'deflate' | undefined {
    const { httpCompression } = this.init.host.options;
    if (httpCompression === false || length < httpCompression.threshold) return undefined;
    if (!packets.some((packet) => packet.options?.compress !== false)) return undefined;
    const encoding = accepts(request as never).encodings(['gzip', 'deflate']);
    return encoding === 'gzip' || encoding === 'deflate' ? encoding : undefined;
  }

  private forgetResponse(): void {
    this.writable = false;
    this.request = null;
    this.response = null;
  }

  private clearCloseTimer(): void {
    if (this.closeTimer !== null) clearTimeout(this.closeTimer);
    this.closeTimer = null;
  }

  private end(reason: TransportEnd, description?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.clearCloseTimer();
    this.retries?.settle();
    this.upstream.abort();
    if (this.writable) this.answer([{ type: 'close' }]);
    this.sink.closed(reason, description);
  }
}

/** Whether a request is an earlier one that comes again. */
function isSame(request: TransportRequest, earlier: TransportRequest): boolean {
  const id = Retries.idOf(request);
  return id !== '' && id === Retries.idOf(earlier);
}

function endBrief(transport: PollingTransport, response: OwnedResponse): void {
  transport.endBrief(response);
}

function onResponseClose(this: OwnedResponse): void {
  this[kPolling]!.cut(this);
}
