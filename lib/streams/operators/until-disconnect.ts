import { takeUntil, type MonoTypeOperatorFunction } from 'rxjs';
import type { Socket } from 'socket.io';
import { disconnected$ } from '../events.js';

/**
 * Completes when a client disconnects, and at once when it is not connected. For what a method makes itself and subscribes
 * to: the stream that it gets completes by itself, and what it returns is unsubscribed.
 *
 * ```ts
 * handleConnection(client: Socket) {
 *   interval(1000).pipe(untilDisconnect(client)).subscribe((n) => client.emit('tick', n));
 * }
 * ```
 */
export function untilDisconnect<T>(client: Socket): MonoTypeOperatorFunction<T> {
  return takeUntil(disconnected$(client));
}
