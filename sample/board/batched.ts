import { asyncScheduler, buffer, connect, filter, throttleTime, type OperatorFunction } from 'rxjs';

/**
 * Gathers values in batches: the first one goes out at once, and what follows it within some milliseconds goes together. Unlike
 * `bufferTime` it has no timer running while nothing comes, so a thousand idle clients cost nothing.
 */
export function batched<T>(milliseconds: number): OperatorFunction<T, T[]> {
  const edges = { leading: true, trailing: true };
  return connect((value$) =>
    value$.pipe(
      buffer(value$.pipe(throttleTime(milliseconds, asyncScheduler, edges))),
      filter((batch) => batch.length > 0), // the last one may be empty
    ),
  );
}
