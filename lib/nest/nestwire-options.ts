import type { BoundServerOptions } from '../socket-io/bind-socket-io.js';

/**
 * How a failure in a handler, guard, pipe or interceptor is answered when no filter of the application took it.
 *
 * - `reply`: the acknowledgement of the message, if its sender asked for one, else an `exception` event. HTTP exceptions
 *   keep their status and details; the message is not sent back.
 * - `nest`: exactly what Nest does: an `exception` event, with the message in it, and never an acknowledgement.
 */
export type ErrorReplies = 'reply' | 'nest';

/** Options of Nestwire: of the engine, of socket.io, and of the Nest layer. A gateway's own options win over these. */
export interface NestwireOptions extends BoundServerOptions {
  /** How failures are answered. Default `reply`. */
  errors?: ErrorReplies;
}
