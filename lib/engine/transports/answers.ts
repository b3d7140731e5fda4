import type { OutgoingHttpHeaders } from 'node:http';
import { ANSWER_HEADERS, type TransportResponse } from './transport.js';

/**
 * Headers of a streaming response, beside those of its envelope: they keep proxies, browsers and compression middleware from
 * holding back what is written. Pages of other origins that `cors` lets in read streams with CORS, to which the resource
 * policy does not apply; what it forbids are images and scripts that would draw the bytes into the process of another site.
 */
export const STREAM_HEADERS: Readonly<OutgoingHttpHeaders> = {
  ...ANSWER_HEADERS,
  'cache-control': 'no-store, no-cache, no-transform, must-revalidate, max-age=0',
  'X-Accel-Buffering': 'no',
  'Content-Encoding': 'identity',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Refuses a request whose body is not going to be read: the connection cannot be used again. */
export function refuse(response: TransportResponse, status: number): void {
  response.writeHead(status, { ...ANSWER_HEADERS, Connection: 'close' });
  response.end();
}

/** Answers a method that no HTTP transport knows. */
export function refuseMethod(response: TransportResponse): void {
  // such a request may have a body, which is not going to be read either
  response.writeHead(405, { ...ANSWER_HEADERS, Allow: 'GET, POST', Connection: 'close' });
  response.end();
}

/** For `error` of a response: one that fails also emits `close`, which ends what has to end. */
export function ignoreError(): void {}
