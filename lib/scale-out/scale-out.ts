import type { ServerOptions } from 'socket.io';
import type { Engine } from '../engine/index.js';
import type { Relay } from '../engine/relay.js';

/*
 * What makes several nodes one: an adapter of socket.io's, which carries broadcasts and what else concerns clients of all
 * nodes, and a relay, which brings requests to the node that owns their session.
 */

/** A way to scale out, as the option `scaleOut` takes it; made by `redisScaleOut()` of `nestwire/redis`, for example. */
export interface ScaleOut {
  /** Called once by every application that uses it, before it has servers. */
  start(host: ScaleOutHost): ScaleOutNode;
}

/** What the application gives. */
export interface ScaleOutHost {
  /** A line for the log: something went wrong, or is right again. */
  log(message: string): void;
}

/** One application's part in it. */
export interface ScaleOutNode {
  /**
   * Resolves when other nodes can find this one and its servers; rejects when that is not to be waited for any longer. The
   * application asks for it once it has made its servers, waits for it before it listens, and fails to start when it
   * rejects.
   */
  readonly ready: Promise<void>;
  /**
   * The option `adapter` of one socket.io server. Servers with different names do not hear each other.
   *
   * @param name tells the servers of one application from each other, the same on all nodes: one and the same server of the
   *   application (port and path) has the same name on all of them.
   * @returns undefined for socket.io's own, which knows this node alone.
   */
  adapterFor(name: string): ServerOptions['adapter'] | undefined;
  /**
   * The relay of one engine.
   *
   * @param name that of its server.
   */
  relayFor(name: string, engine: Engine): Relay;
  /** Tells the other nodes that this one is leaving, and lets go of all it holds. Called after the servers have closed. */
  close(): Promise<void>;
}
