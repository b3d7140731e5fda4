import type { IncomingMessage } from 'node:http';
import proxyAddr from 'proxy-addr';
import type { EngineOptions } from './options.js';
import type { ProtocolVersion } from './protocol/codec.js';
import type { EngineRequest } from './session.js';

/** Decides whether a proxy's address is believed, in the form of the `proxy-addr` package. */
export type TrustProxy = (address: string, hops: number) => boolean;

/**
 * Parses the query once, into `_query`, where socket.io and users' code look for it. Of a repeated key the last value
 * counts. Never throws, whatever the request line holds.
 */
export function withQuery(request: IncomingMessage): EngineRequest {
  const engineRequest = request as EngineRequest;
  if (engineRequest._query === undefined) {
    const { url = '' } = request;
    const start = url.indexOf('?');
    const query: Record<string, string> = {};
    if (start >= 0) {
      for (const [key, value] of new URLSearchParams(url.slice(start + 1))) {
        // the client names the keys: this one would reach the prototype
        if (key !== '__proto__') query[key] = value;
      }
    }
    engineRequest._query = query;
  }
  return engineRequest;
}

/** Revision 3 unless the client says `EIO=4`, as in Engine.IO. */
export function protocolOf(request: EngineRequest): ProtocolVersion {
  return request._query['EIO'] === '4' ? 4 : 3;
}

/** The `trustProxy` option as a function; undefined when no proxy is believed. */
export function compileTrust(option: EngineOptions['trustProxy']): TrustProxy | undefined {
  if (option === undefined || option === false) return undefined;
  if (option === true) return () => true;
  if (typeof option === 'number') return (_address, hops) => hops < option;
  return proxyAddr.compile(option as string | string[]);
}

/** The client's address; empty when the connection is gone already. */
export function clientAddress(request: IncomingMessage, trust: TrustProxy | undefined): string {
  const direct = request.socket?.remoteAddress ?? '';
  if (trust === undefined || direct === '') return direct;
  return proxyAddr(request, trust);
}

/** The host that the client asked for, as far as this server can know it. */
export function requestedHost(request: IncomingMessage, trust: TrustProxy | undefined): string | undefined {
  const forwarded = request.headers['x-forwarded-host'];
  if (trust !== undefined && typeof forwarded === 'string' && trust(request.socket?.remoteAddress ?? '', 0)) {
    return forwarded.split(',')[0]!.trim();
  }
  return request.headers.host;
}

/** Whether the client speaks TLS, with this server or with a proxy that is believed. */
export function usesTls(request: EngineRequest, trust: TrustProxy | undefined): boolean {
  if ((request.socket as { encrypted?: boolean } | undefined)?.encrypted) return true;
  const forwarded = request.headers['x-forwarded-proto'];
  const isTrusted = request.isRelayed || (trust !== undefined && trust(request.socket?.remoteAddress ?? '', 0));
  return Boolean(isTrusted) && typeof forwarded === 'string' && /^(https|wss)\b/i.test(forwarded);
}

/** Whether a request says that it has a body. */
export function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Most characters of a client's value in a log line. */
const QUOTED_LENGTH = 200;

/** A value that a client controls, as it may stand in a log line: in quotes, ASCII without control characters, and not long. */
export function quoted(value: string | undefined): string {
  const text = String(value);
  const shown = text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH)}…` : text;
  // what is left above ASCII may be C1 control characters, which terminals obey, or reverse the text
  return JSON.stringify(shown).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Bytes of the header lines of a request, as they came. */
export function headerBytes(request: IncomingMessage): number {
  let bytes = 0;
  // name and value alternate; ": " and CRLF are four bytes a line
  for (const part of request.rawHeaders) bytes += part.length + 2;
  return bytes;
}
