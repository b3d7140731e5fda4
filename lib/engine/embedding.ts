import type { ServerResponse } from 'node:http';
import { OriginPolicy, type OriginOptions } from './origins.js';
import type { TrustProxy } from './request.js';
import type { EngineRequest } from './session.js';
import type { TransportKind } from './transports/registry.js';

/*
 * Some transports are embedded by a page: a `<script>` whose callback gets the packets, an `<iframe>` that posts them. Every
 * site may embed what it likes from every other, the browser sends the user's cookies along, and no CORS stands between the
 * answer and the page. So here the rule is the strict one: the page's own host, or an origin that the application has
 * named. `*` names nobody, and a request that does not tell who asks must not carry cookies.
 *
 * Who asks is told by `Sec-Fetch-Site` (to sites with TLS, by browsers since 2020 or so), by `Origin` (of forms), and else
 * by `Referer`, which a hostile page can suppress and cannot forge. Our clients see to it that it is sent.
 */

/** Who is let in, on every transport. */
export class RequestPolicy {
  private readonly origins: OriginPolicy;

  constructor(options: OriginOptions, trust: TrustProxy | undefined) {
    this.origins = new OriginPolicy(options, trust);
  }

  /** A promise where a rule of the user's is one, and for what is embedded. A rule that throws refuses. */
  allows(kind: TransportKind, request: EngineRequest): boolean | Promise<boolean> {
    if (!isEmbedded(kind, request)) return this.origins.allows(request);
    return kind.embeddedAs === 'script' ? this.allowsScript(request) : this.allowsFrame(request);
  }

  /** A script, or a form whose target is a frame: POSTs of the same transport. */
  private async allowsScript(request: EngineRequest): Promise<boolean> {
    const { origins } = this;
    const site = request.headers['sec-fetch-site'];
    // "none" is an address that the user typed, which no page has a part in
    if (site === 'same-origin' || site === 'none') return true;
    const asker = request.headers.origin ?? refererOrigin(request);
    if (asker === undefined) return site === undefined && origins.allowsUnknown(request);
    return (site === undefined && origins.isHost(asker, request)) || origins.names(asker, request);
  }

  /** A frame, whose document hands every packet to the origin in its query. */
  private async allowsFrame(request: EngineRequest): Promise<boolean> {
    const { origins } = this;
    const { headers, _query: query } = request;
    const target = query['origin'] ?? '';
    // browsers send none with a frame; what has one reads the answer by fetch
    if (headers.origin !== undefined && !(await origins.allows(request))) return false;
    const asker = refererOrigin(request);
    if (asker !== undefined && asker !== target) return false;
    switch (headers['sec-fetch-site']) {
      case 'same-origin':
        // behind a proxy that does not pass the host on, both together tell whose page it is
        return asker === target || origins.isHost(target, request);
      case 'cross-site':
      case 'same-site':
        return asker !== undefined && origins.names(target, request);
      default:
        if (asker === undefined && !origins.allowsUnknown(request)) return false;
        return origins.isHost(target, request) || origins.names(target, request);
    }
  }
}

/** Whether a request is made for what a page embeds. What goes up to a frame's session is an ordinary POST. */
export function isEmbedded(kind: TransportKind, { method }: EngineRequest): boolean {
  return kind.embeddedAs === 'script' || (kind.embeddedAs === 'frame' && method === 'GET');
}

/** Headers by which an application forbids that its answers are embedded, helmet's among them. */
const AGAINST_EMBEDDING = [
  'X-Frame-Options',
  'Content-Security-Policy',
  'Content-Security-Policy-Report-Only',
] as const;

/** Takes away what middlewares have set against a page that was let in. */
export function allowEmbedding(kind: TransportKind, request: EngineRequest, response: ServerResponse): void {
  if (!isEmbedded(kind, request)) return;
  for (const name of AGAINST_EMBEDDING) response.removeHeader(name);
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
}

function refererOrigin({ headers }: EngineRequest): string | undefined {
  if (headers.referer === undefined) return undefined;
  // what cannot be read is somebody's, and nobody's that is let in
  return URL.canParse(headers.referer) ? new URL(headers.referer).origin : 'null';
}
