import type { ConnectionHooks } from './connection-hooks.js';
import type { ErrorReplies } from './nestwire-options.js';

/** What the parts that Nest calls, and that know only a client, have to know about the application it belongs to. */
export interface ServerContext {
  readonly errors: ErrorReplies;
  readonly hooks: ConnectionHooks;
}

/** Kept on the socket.io server: gateway classes may serve several applications of one process, a server serves one. */
const CONTEXT = Symbol('nestwire.context');

/** Makes a socket.io server known as one of an application's. */
export function setServerContext(server: object, context: ServerContext): void {
  Object.defineProperty(server, CONTEXT, { value: context, configurable: true });
}

/** The application a client belongs to; undefined when it is not served by Nestwire. */
export function serverContextOf(client: unknown): ServerContext | undefined {
  return (client as { nsp?: { server?: { [CONTEXT]?: ServerContext } } } | null | undefined)?.nsp?.server?.[CONTEXT];
}
