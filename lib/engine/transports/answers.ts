import type { TransportResponse } from './transport.js';

/** Refuses a request whose body is not going to be read: the connection cannot be used again. */
export function refuse(response: TransportResponse, status: number): void {
  response.writeHead(status, { Connection: 'close' });
  response.end();
}

/** Answers a method that no HTTP transport knows. */
export function refuseMethod(response: TransportResponse): void {
  response.writeHead(405, { Allow: 'GET, POST' });
  response.end();
}

/** For `error` of a response: one that fails also emits `close`, which ends what has to end. */
export function ignoreError(): void {}
