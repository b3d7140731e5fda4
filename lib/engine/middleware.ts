import type { IncomingMessage, ServerResponse } from 'node:http';

/** An Express-compatible middleware. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => unknown;

/**
 * For behind the `cors` middleware: an origin that may read an answer may see as well by which protocol it came. Browsers
 * tell that of another origin's answer only with this header, and our client counts connections unless they are HTTP/2.
 */
export const allowTiming: Middleware = (_request, response, next) => {
  const allowed = response.getHeader('Access-Control-Allow-Origin');
  if (allowed !== undefined) response.setHeader('Timing-Allow-Origin', allowed);
  next();
};

/**
 * Runs middlewares one after the other. Calls of `next` after the first are ignored; a throw, a rejection or
 * `next(error)` rejects. Where a middleware answers itself and never calls `next`, the promise stays pending.
 */
export async function runMiddlewares(
  middlewares: readonly Middleware[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const middleware of middlewares) await runMiddleware(middleware, request, response);
}

function runMiddleware(middleware: Middleware, request: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (error?: unknown) => {
      // `next('router')`-like strings and any other truthy value count as failures, as in Express
      if (error) reject(error instanceof Error ? error : new Error(String(error)));
      else resolve();
    };
    try {
      Promise.resolve(middleware(request, response, next)).catch(reject);
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    }
  });
}
