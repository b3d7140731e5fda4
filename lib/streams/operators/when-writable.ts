import { first, Observable, Subject, takeUntil, type MonoTypeOperatorFunction } from 'rxjs';
import type { Socket } from 'socket.io';
import { DEFAULT_WRITABLE_BYTES, waitingBytes, writable$, type WritableOptions } from '../writable.js';

/** What {@link whenWritable} does meanwhile. */
export interface WhenWritableOptions extends WritableOptions {
  /** How many of the latest values are kept; older ones are dropped. Default 1. */
  keep?: number;
}

/**
 * Holds values back while a client does not take what it is sent, and keeps only the latest of them. The last operator of a
 * stream, or what comes after it may hold back or send more than it knows.
 *
 * ```ts
 * strokes(@MessageStream(StrokeDto) stroke$: Observable<StrokeDto>, @ConnectedSocket() client: Socket) {
 *   return this.board.frame$.pipe(whenWritable(client));
 * }
 * ```
 *
 * A client that is not connected takes everything: nothing waits for it. What is kept when the source completes is emitted
 * before the completion, when the client takes it; an error passes at once.
 */
export function whenWritable<T>(
  client: Socket,
  { bytes = DEFAULT_WRITABLE_BYTES, keep = 1 }: WhenWritableOptions = {},
): MonoTypeOperatorFunction<T> {
  if (!Number.isSafeInteger(keep) || keep < 1)
    throw new RangeError('whenWritable(): keep must be a number of 1 or more');
  const isWritable = (): boolean => !client.connected || waitingBytes(client) <= bytes;
  return (source) =>
    new Observable((subscriber) => {
      const kept: T[] = [];
      let isComplete = false;
      let isWaiting = false;
      const release = (): void => {
        isWaiting = false;
        while (kept.length > 0) {
          if (!isWritable()) return wait();
          subscriber.next(kept.shift()!);
        }
        if (isComplete) subscriber.complete();
      };
      const wait = (): void => {
        if (isWaiting) return;
        isWaiting = true;
        // completes when the client disconnects
        subscriber.add(writable$(client, { bytes }).pipe(first(Boolean, true)).subscribe(release));
      };
      const hold = (value: T): void => {
        if (kept.push(value) > keep) kept.shift();
        wait();
      };
      const closed$ = new Subject<void>();
      subscriber.add(() => closed$.next());
      source.pipe(takeUntil(closed$)).subscribe({
        next: (value) => (kept.length === 0 && isWritable() ? subscriber.next(value) : hold(value)),
        error: (error) => subscriber.error(error),
        complete: () => {
          isComplete = true;
          if (kept.length === 0) subscriber.complete();
        },
      });
    });
}
