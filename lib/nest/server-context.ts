import type { ExceptionFilter } from '@nestjs/common';
import type { ConnectionGuards } from './connection-guards/connection-guards.js';
import type { ConnectionHooks } from './connection-hooks.js';
import type { ErrorReplies } from './nestwire-options.js';

/** What the parts that Nest calls, and that know only a client, have to know about the application it belongs to. */
export interface ServerContext {
  readonly errors: ErrorReplies;
  /** Whether the answer to a failure says which message failed. */
  readonly includeCause: boolean;
  readonly hooks: ConnectionHooks;
  /** Filters of the whole application, in the order in which they are named: the last one is asked first. */
  readonly filters: readonly ExceptionFilter[];
  /** Undefined when the adapter does not know the application, and so not its gateways. */
  readonly connectionGuards: ConnectionGuards | undefined;
  /**
   * Whether an emit to one client goes through other nodes first: with recovery, socket.io sends it by way of an adapter that
   * does not deliver before it is in the stream.
   */
  readonly emitsThroughCluster: boolean;
  /** Whether answers to one client go that way, too, and are kept for it. */
  readonly recoverable: boolean;
}

/** Kept on the socket.io server: gateway classes may serve several applications of one process, a server serves one. */
const CONTEXT = Symbol('nestwire.context');

type ServerWithContext = { [CONTEXT]?: ServerContext };

/** Makes a socket.io server known as one of an application's. */
export function setServerContext(server: object, context: ServerContext): void {
  Object.defineProperty(server, CONTEXT, { value: context, configurable: true });
}

/** The application a client belongs to; undefined when it is not served by Nestwire. */
export function serverContextOf(client: unknown): ServerContext | undefined {
  return (client as { nsp?: { server?: ServerWithContext } } | null | undefined)?.nsp?.server?.[CONTEXT];
}

/** The application that a server or a namespace belongs to; undefined when it is not served by Nestwire. */
export function serverContextOfServer(server: unknown): ServerContext | undefined {
  const one = server as (ServerWithContext & { server?: ServerWithContext }) | null | undefined;
  return (one?.server ?? one)?.[CONTEXT];
}
