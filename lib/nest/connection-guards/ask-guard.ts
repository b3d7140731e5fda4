import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { fromEvent, from, isObservable, lastValueFrom, mergeMap, of, takeUntil } from 'rxjs';

/**
 * What a guard says, however it says it: a boolean, a promise, or an Observable whose last value counts, as in Nest.
 *
 * @param signal must not be aborted yet. Once it is, the promise rejects, an Observable is unsubscribed, and what the
 *   guard still says is heard by nobody.
 */
export async function askGuard(guard: CanActivate, context: ExecutionContext, signal: AbortSignal): Promise<boolean> {
  const result = guard.canActivate(context);
  if (typeof result === 'boolean') return result;
  const said = from(Promise.resolve(result)).pipe(
    mergeMap((value) => (isObservable(value) ? value : of(value))),
    takeUntil(fromEvent(signal, 'abort')),
  );
  // Nest takes what is true enough for true
  return Boolean(await lastValueFrom(said));
}
