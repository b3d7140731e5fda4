import { isUtf8 } from 'node:buffer';
import { refuse } from './answers.js';
import { Body } from './body.js';
import { ANSWER_HEADERS, type TransportHost, type TransportRequest, type TransportResponse } from './transport.js';

/*
 * The way up of every HTTP transport: one POST at a time, read into memory up to the payload limit. The client controls
 * length, pace and bytes of the body: it is bounded by `maxHttpBufferSize`, all bodies together by
 * `maxPendingUpstreamBytes`, and in time by the session's heartbeat, which destroys an open POST when it ends the session.
 */

/** What an upstream delivers to: the transport that owns it. */
export interface UpstreamSink {
  /**
   * A whole body; text unless the request said `application/octet-stream`.
   *
   * @returns false when it held something that cannot be read.
   */
  upstreamBody(body: string | Buffer): boolean;
  /** The request was cut before its body was whole; nothing of it was delivered. */
  upstreamCut(): void;
  /** The request broke the rules of the upstream. */
  upstreamFailed(problem: string, reason: 'transport error' | 'parse error'): void;
}

/** For a POST that was applied before and whose answer was lost: it is read as any other, and its bytes are dropped. */
export const APPLIED: UpstreamSink = { upstreamBody: () => true, upstreamCut() {}, upstreamFailed() {} };

const kUpstream = Symbol('nestwire.upstream');

interface OwnedRequest extends TransportRequest {
  [kUpstream]?: Upstream;
}

/** The POST that is being received for one session, if any. */
export class Upstream {
  private request: OwnedRequest | null;
  private response: TransportResponse | null;
  private body: Body;

  constructor(
    private readonly host: TransportHost,
    private readonly sink: UpstreamSink,
    /** Whether `application/octet-stream` is allowed: protocol revision 3 only. */
    private readonly acceptsBinary: boolean,
  ) {
    this.request = null;
    this.response = null;
    this.body = new Body();
  }

  /** Whether a POST is open: a second one breaks the protocol, for their order would be unknown. */
  get busy(): boolean {
    return this.request !== null;
  }

  /** Reads a POST and answers it: 200 `ok`, 400, 413 or 503. */
  handle(request: TransportRequest, response: TransportResponse): void {
    if (this.busy) {
      refuse(response, 400);
      this.sink.upstreamFailed('data request overlap from client', 'transport error');
      return;
    }
    if (response.destroyed) {
      // the client left while the request was examined
      this.cut();
      return;
    }
    if (isBinary(request) && !this.acceptsBinary) {
      refuse(response, 400);
      this.sink.upstreamFailed('invalid content type', 'transport error');
      return;
    }
    if (Number(request.headers['content-length']) > this.host.options.maxHttpBufferSize) {
      this.refuseTooLarge(response);
      return;
    }
    this.request = request;
    this.response = response;
    this.request[kUpstream] = this;
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('close', onClose);
    request.on('error', onClose);
  }

  /** Ends an open POST without a word; for the end of the session. */
  abort(): void {
    const request = this.release();
    request?.destroy();
  }

  /** @internal */
  data(chunk: Buffer): void {
    const { host, body } = this;
    body.append(chunk);
    host.pendingUpstreamBytes += chunk.length;
    if (body.length > host.options.maxHttpBufferSize) {
      const { response } = this;
      this.release();
      this.refuseTooLarge(response!);
    } else if (host.pendingUpstreamBytes > host.options.maxPendingUpstreamBytes) {
      const { response } = this;
      this.release();
      host.limitExceeded('maxPendingUpstreamBytes', `${host.options.maxPendingUpstreamBytes} bytes of POST bodies`);
      refuse(response!, 503);
    }
  }

  /** @internal */
  finish(): void {
    const { request, response } = this;
    const bytes = this.body.bytes();
    this.release();
    const isText = !isBinary(request!);
    if (isText && !isUtf8(bytes)) {
      refuse(response!, 400);
      this.sink.upstreamFailed('request body is not UTF-8', 'parse error');
      return;
    }
    if (!this.sink.upstreamBody(isText ? bytes.toString() : bytes)) {
      refuse(response!, 400);
      return;
    }
    // text/html spares old browsers a download prompt
    const headers = { 'Content-Type': 'text/html', 'Content-Length': 2, ...ANSWER_HEADERS };
    response!.writeHead(200, this.host.decorateHeaders(headers, request!));
    response!.end('ok');
  }

  /** @internal */
  cut(): void {
    this.release();
    this.sink.upstreamCut();
  }

  private refuseTooLarge(response: TransportResponse): void {
    this.host.limitExceeded('maxHttpBufferSize', `POST body over ${this.host.options.maxHttpBufferSize} bytes`);
    refuse(response, 413);
  }

  /** Forgets the open POST and what was read of it. */
  private release(): TransportRequest | null {
    const { request } = this;
    if (request === null) return null;
    request[kUpstream] = undefined;
    this.host.pendingUpstreamBytes -= this.body.length;
    this.request = null;
    this.response = null;
    this.body = new Body();
    return request;
  }
}

function isBinary(request: TransportRequest): boolean {
  return request.headers['content-type'] === 'application/octet-stream';
}

// After release() a request has no upstream any more, and what still arrives on it is dropped.

function onData(this: OwnedRequest, chunk: Buffer): void {
  this[kUpstream]?.data(chunk);
}

function onEnd(this: OwnedRequest): void {
  this[kUpstream]?.finish();
}

function onClose(this: OwnedRequest): void {
  this[kUpstream]?.cut();
}
