import type { EventEmitter } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http';
import { serialize } from 'cookie';
import type { ResolvedOptions } from './options.js';
import type { EngineRequest } from './session.js';
import { isLegalHeader, type UpgradeResponse } from './upgrade-response.js';

const kSid = Symbol('nestwire.sid');
const kUpgradeResponse = Symbol('nestwire.upgradeResponse');

interface MarkedRequest extends EngineRequest {
  [kSid]?: string;
  [kUpgradeResponse]?: UpgradeResponse | undefined;
}

/** Headers that users add to our answers: by the cookie option, the events `initial_headers` and `headers`, or middlewares. */
export class Headers {
  constructor(
    private readonly engine: EventEmitter,
    private readonly opts: ResolvedOptions,
  ) {}

  /** Notes the id that a handshake was given, for its cookie. */
  issueSid(request: EngineRequest, sid: string): void {
    (request as MarkedRequest)[kSid] = sid;
  }

  /** Notes the response that middlewares of an upgrade wrote their headers to. */
  keepUpgradeResponse(request: EngineRequest, response: UpgradeResponse): void {
    (request as MarkedRequest)[kUpgradeResponse] = response;
  }

  /** Adds to the headers of an HTTP answer. */
  decorate(headers: OutgoingHttpHeaders, request: EngineRequest): OutgoingHttpHeaders {
    const { engine } = this;
    const sid = (request as MarkedRequest)[kSid];
    if (sid !== undefined && this.opts.cookie !== false) {
      const { name, ...attributes } = this.opts.cookie;
      headers['Set-Cookie'] = [serialize(name, sid, attributes)];
    }
    if (engine.listenerCount('headers') === 0 && engine.listenerCount('initial_headers') === 0) return headers;
    if (sid !== undefined) engine.emit('initial_headers', headers, request);
    engine.emit('headers', headers, request);
    for (const [name, value] of Object.entries(headers)) {
      // listeners may copy what a client sent; an illegal byte would throw where nobody could catch it
      if (!isLegalHeader(name, value)) delete headers[name];
    }
    return headers;
  }

  /** The 101 answer is out: the request lives as long as its session, the middlewares' response need not. */
  upgraded(request: EngineRequest): void {
    const marked = request as MarkedRequest;
    marked[kUpgradeResponse]?.release();
    marked[kUpgradeResponse] = undefined;
  }

  /** Adds to the header lines of a 101 answer. */
  decorateUpgrade(lines: string[], request: EngineRequest): void {
    const marked = request as MarkedRequest;
    const headers: OutgoingHttpHeaders = marked[kUpgradeResponse]?.getNamedHeaders() ?? {};
    if (!request._query['sid']) this.engine.emit('initial_headers', headers, request);
    this.engine.emit('headers', headers, request);
    for (const [name, value] of Object.entries(headers)) {
      if (!isLegalHeader(name, value)) continue;
      for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`);
    }
  }
}
