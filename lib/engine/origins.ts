import type { IncomingMessage } from 'node:http';
import type { CorsOptions, CorsOptionsDelegate } from 'cors';
import type { OriginRule } from './options.js';
import { guardCors } from './cors.js';
import { requestedHost, type TrustProxy } from './request.js';

/*
 * Browsers let every site open a WebSocket, and send plain GETs and POSTs, to every other, cookies included, and CORS
 * only decides who may read the answer (for WebSocket it does not apply at all). So the Origin is checked on every
 * request of every transport. Without the `origins` option nothing is refused that is no attack: a request without
 * cookies carries nobody's authority.
 */

/** What the origin check reads of the options. */
export interface OriginOptions {
  readonly origins: OriginRule | readonly OriginRule[] | undefined;
  readonly cors: CorsOptions | CorsOptionsDelegate | false;
}

/** Whether a request's Origin is let in. */
export class OriginPolicy {
  private readonly rules: readonly OriginRule[] | null;
  private readonly cors: CorsOptions | CorsOptionsDelegate | false;

  constructor(
    { origins, cors }: OriginOptions,
    private readonly trust: TrustProxy | undefined,
  ) {
    this.rules = origins === undefined ? null : Array.isArray(origins) ? origins : [origins as OriginRule];
    this.cors = cors === false ? false : guardCors(cors);
  }

  /** A promise only where a rule of the user's is one. A rule that throws refuses. */
  allows(request: IncomingMessage): boolean | Promise<boolean> {
    const { origin } = request.headers;
    const site = request.headers['sec-fetch-site'];
    if (site === 'same-origin') return true;
    // an image or a link of another site: the page cannot read the answer, but a session would be opened
    if (origin === undefined) return site === undefined || site === 'none' || this.allowsUnknown(request);
    return this.isHost(origin, request) || this.allowsForeign(origin, request);
  }

  /** Whether a request may pass that does not tell which site asks: it must not be in the name of a user. */
  allowsUnknown({ headers }: IncomingMessage): boolean {
    return this.rules === null && headers.cookie === undefined;
  }

  /** Whether an origin is that of the host that was asked. */
  isHost(origin: string, request: IncomingMessage): boolean {
    return namesHost(origin, requestedHost(request, this.trust));
  }

  /**
   * Whether the application has named an origin, in `origins` or, where that is unset, in `cors.origin`: by a string, a
   * pattern, or a function that was asked about it. `*` and `true` name nobody. A rule that throws names nobody either.
   */
  async names(origin: string, request: IncomingMessage): Promise<boolean> {
    try {
      if (this.rules !== null) return await matchesAny(origin, this.rules, request);
      return await this.matchesCors(origin, request, isNamedBy);
    } catch {
      return false;
    }
  }

  private async allowsForeign(origin: string, request: IncomingMessage): Promise<boolean> {
    try {
      if (this.rules !== null) return await matchesAny(origin, this.rules, request);
      if (request.headers.cookie === undefined) return true;
      return await this.matchesCors(origin, request, matchesCorsOrigin);
    } catch {
      // the rule is the user's; what it cannot decide is not let in
      return false;
    }
  }

  private async matchesCors(
    origin: string,
    request: IncomingMessage,
    fits: (origin: string, rule: unknown) => boolean,
  ): Promise<boolean> {
    const { cors } = this;
    if (cors === false) return false;
    const resolved = typeof cors === 'function' ? await resolveDelegate(cors, request) : cors;
    const rule = resolved?.origin ?? '*';
    if (typeof rule !== 'function') return fits(origin, rule);
    const answer = await new Promise<unknown>((resolve, reject) => {
      (rule as (origin: string, done: (error: Error | null, allow?: unknown) => void) => void)(
        origin,
        (error, allow) => (error ? reject(error) : resolve(allow)),
      );
    });
    // "true" is the answer to a question about this very origin
    return answer === true || fits(origin, answer);
  }
}

function resolveDelegate(delegate: CorsOptionsDelegate, request: IncomingMessage): Promise<CorsOptions | undefined> {
  return new Promise((resolve, reject) => {
    delegate(request as never, (error, options) => (error ? reject(error) : resolve(options)));
  });
}

/** The `origin` option of the cors package: true, '*', a string, a pattern, or a list of them. */
function matchesCorsOrigin(origin: string, rule: unknown): boolean {
  if (rule === true || rule === '*') return true;
  if (typeof rule === 'string') return rule === origin;
  if (rule instanceof RegExp) return matches(rule, origin);
  return Array.isArray(rule) && rule.some((one) => matchesCorsOrigin(origin, one));
}

/** The same for a rule that has to be about this origin, and not about all. */
function isNamedBy(origin: string, rule: unknown): boolean {
  if (Array.isArray(rule)) return rule.some((one) => isNamedBy(origin, one));
  return rule !== true && rule !== '*' && matchesCorsOrigin(origin, rule);
}

async function matchesAny(origin: string, rules: readonly OriginRule[], request: IncomingMessage): Promise<boolean> {
  for (const rule of rules) {
    if (
      typeof rule === 'string'
        ? rule === origin
        : rule instanceof RegExp
          ? matches(rule, origin)
          : await rule(origin, request)
    ) {
      return true;
    }
  }
  return false;
}

/** A pattern with the flags g or y remembers where it stopped, and would refuse every second time. */
function matches(pattern: RegExp, origin: string): boolean {
  pattern.lastIndex = 0;
  return pattern.test(origin);
}

/** Ports that an Origin leaves out and a Host header may name. */
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: ':80', https: ':443' };

/** Whether an origin is that of the host that was asked, whatever the scheme: TLS may end at a proxy. */
function namesHost(origin: string, host: string | undefined): boolean {
  if (host === undefined) return false;
  const start = origin.indexOf('://');
  if (start <= 0) return false;
  const named = origin.slice(start + 3).toLowerCase();
  const asked = host.toLowerCase();
  return named === asked || named + (DEFAULT_PORTS[origin.slice(0, start)] ?? '') === asked;
}
