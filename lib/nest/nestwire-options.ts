import type { CanActivate, ExceptionFilter } from '@nestjs/common';
import type { ScaleOut } from '../scale-out/scale-out.js';
import type { BoundServerOptions } from '../socket-io/bind-socket-io.js';
import type { Enhancer } from './enhancers.js';
import type { StreamDefaults } from './streams/stream-options.js';

/**
 * How a failure in a handler, guard, pipe or interceptor is answered when no filter of the application took it.
 *
 * - `reply`: the acknowledgement of the message, if its sender asked for one, else an `exception` event. HTTP exceptions
 *   keep their status and details; the message is not sent back.
 * - `nest`: exactly what Nest does: an `exception` event, with the message in it, and never an acknowledgement.
 */
export type ErrorReplies = 'reply' | 'nest';

/**
 * Whether the handlers (`@SubscribeMessage`) of one client's messages may overtake each other.
 *
 * - `none`: each begins when its message arrives, as in Nest; a later one may be done first.
 * - `client`: each begins when the one before is done, in order of arrival, streams' guards and pipes among them. One that takes
 *   longer than `streams.timeout` keeps the next one waiting no more.
 */
export type HandlerOrdering = 'none' | 'client';

/** Options of Nestwire: of the engine, of socket.io, and of the Nest layer. A gateway's own options win over these. */
export interface NestwireOptions extends BoundServerOptions {
  /** How failures are answered. Default `reply`. */
  errors?: ErrorReplies;
  /** Whether the messages of one client are handled in order. Default `none`. */
  ordering?: HandlerOrdering;
  /** What holds for all `@SubscribeStream` methods that do not say otherwise. */
  streams?: StreamDefaults;
  /**
   * Whether the answer to a failure tells the message that failed, as Nest does: `cause: { pattern, data }`. Default
   * false: the data may be large, or not meant for whoever reads the client's log. No effect with `errors: 'nest'`.
   */
  includeCause?: boolean;
  /**
   * Exception filters of the whole application, asked after those of methods and gateways, the last one named first. A
   * class is taken from the module that provides it, else `NestwireModule` makes it.
   */
  filters?: readonly Enhancer<ExceptionFilter>[];
  /**
   * Connection guards of every namespace, also of those without a gateway, asked before `@UseConnectionGuards()`. Where
   * several gateways share a namespace they are asked for each. Classes as in `filters`.
   */
  connectionGuards?: readonly Enhancer<CanActivate>[];
  /**
   * Milliseconds that all connection guards of one connection have together; then it is closed, and stock clients try
   * again. Default 10,000: as long as a change of transport may take, well below `connectTimeout`.
   */
  connectionGuardTimeout?: number;
  /**
   * Makes several nodes one, behind any balancer: `redisScaleOut({ url })` of `nestwire/redis`. Default: this process alone.
   * An adapter of socket.io's that the application sets itself, as an option or in `createIOServer()`, stays.
   */
  scaleOut?: ScaleOut;
  /**
   * Whether what answers one client (results of handlers, `exception`, the output of its streams) is kept for it while it is
   * away, with `connectionStateRecovery` and `scaleOut`. It then waits for Redis, as every `emit` to one client does.
   * Acknowledgements never do. Default false. Without `scaleOut` all is kept.
   */
  recoverable?: boolean;
  /**
   * Milliseconds that clients have to leave when the application is shut down: new ones are refused, those that are there are
   * told little by little to connect again, elsewhere, once what they sent is answered. Needs `NestwireModule`, and
   * `app.enableShutdownHooks()` for signals. Default 0: all are disconnected at once, as in Nest.
   */
  drain?: number;
}
