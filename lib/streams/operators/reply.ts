import {
  catchError,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  finalize,
  from,
  isObservable,
  map,
  mergeMap,
  of,
  takeLast,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import { fail, UnansweredError } from '../failure.js';
import type { Incoming } from '../incoming.js';

/** A message that {@link reply} has answered. */
export type Answered<M extends Incoming = Incoming, R = unknown> = M & { readonly answer: R };

/** How {@link reply} works on several messages. */
export interface ReplyOptions {
  /** Messages that are worked on at a time; with 1 they are answered, and go on, in the order in which they came. Default unlimited. */
  concurrency?: number;
  /** Messages that may be worked on or wait for it at a time; those beyond are refused (`queue_full`). Default 1000. */
  limit?: number;
}

/**
 * Answers the acknowledgement of each message, and passes on the message with its `answer`. For streams with `ack: 'manual'`.
 *
 * ```ts
 * move$.pipe(
 *   reply(({ data }) => this.games.move(data)), // the player is told what his move came to
 *   map(({ answer }) => ({ event: 'state', data: answer.state })), // and so is everybody
 * );
 * ```
 *
 * - Messages are answered as their answers come; see {@link ReplyOptions}.
 * - When `project` throws, rejects or emits an error, the sender gets that as from a handler that threw: through the exception
 *   filters, and without the text of an error that was not meant for him. The message is dropped, and the stream goes on. So it
 *   is with an answer that cannot be sent.
 * - When the stream ends before an answer is there, by an error or by being unsubscribed, that is the answer (`stream_ended`).
 * - What it emits is nothing to be sent: a method that only answers ends its pipe with `ignoreElements()`.
 *
 * @param project gives the answer: a value, a promise, or an Observable, whose last value it is. Without it messages are
 * answered with nothing.
 */
export function reply<M extends Incoming>(): OperatorFunction<M, Answered<M, undefined>>;
export function reply<M extends Incoming, R>(
  project: (message: M) => Observable<R> | PromiseLike<R> | R,
  options?: ReplyOptions,
): OperatorFunction<M, Answered<M, R>>;
export function reply<M extends Incoming>(
  project: (message: M) => unknown = nothing,
  { concurrency = Infinity, limit = 1000 }: ReplyOptions = {},
): OperatorFunction<M, Answered<M>> {
  if (!(concurrency >= 1) || !(limit >= 1)) throw new RangeError('reply(): concurrency and limit must be 1 or more');
  return (source) =>
    defer(() => {
      const pending = new Set<M>();
      return source.pipe(
        filter((message) => {
          if (pending.size < limit) {
            pending.add(message);
            return true;
          }
          fail(message, new UnansweredError('queue_full', 'too many messages wait for an answer'));
          return false;
        }),
        mergeMap((message) => answered(message, project, pending), concurrency),
        finalize(() => abandon(pending)),
      );
    });
}

function nothing(): undefined {}

function answered<M extends Incoming>(
  message: M,
  project: (message: M) => unknown,
  pending: Set<M>,
): Observable<Answered<M>> {
  return defer(() => lastOf(project(message))).pipe(
    map((answer) => {
      pending.delete(message);
      if (answer === undefined) message.ack();
      else message.ack(answer);
      return { ...message, answer };
    }),
    catchError((error: unknown) => {
      pending.delete(message);
      fail(message, error);
      return EMPTY;
    }),
  );
}

function lastOf(result: unknown): Observable<unknown> {
  if (isObservable(result)) return result.pipe(takeLast(1), defaultIfEmpty(undefined));
  return isPromiseLike(result) ? from(result) : of(result);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** Whoever has gone needs no answer, and is the usual reason why a stream ends. */
function abandon(pending: ReadonlySet<Incoming>): void {
  for (const message of pending) {
    if (message.client.connected)
      fail(message, new UnansweredError('stream_ended', 'ended before there was an answer'));
  }
}
