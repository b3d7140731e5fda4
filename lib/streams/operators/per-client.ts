import {
  defer,
  filter,
  from,
  ignoreElements,
  merge,
  mergeMap,
  Observable,
  Subject,
  tap,
  type ObservableInput,
  type ObservedValueOf,
  type OperatorFunction,
} from 'rxjs';
import type { Socket } from 'socket.io';
import { disconnected$ } from '../events.js';
import type { Incoming } from '../incoming.js';

/**
 * Gives each client of a stream in gateway scope a stream of its own, and merges what comes of them.
 *
 * ```ts
 * vote$.pipe(
 *   perClient((vote$, client) => vote$.pipe(throttleTime(1000), map(({ data }) => ({ voter: client.id, ...data })))),
 *   scan(count, {}),
 * );
 * ```
 *
 * - A client's stream begins with its first message and completes when the client disconnects. What its completion makes
 *   operators emit there and then still counts; what would come later does not, for the output is unsubscribed then. A client that comes
 *   back is another client.
 * - A message that guards let through only after its client had gone has a stream to itself.
 * - Output that completes by itself is not begun again: further messages of that client are ignored.
 * - An error in one client's output is an error of the whole, unless it is caught there.
 * - When the source completes or fails, so do the clients' streams.
 *
 * @param project called once for each client; subscribe to `message$` at once, since it keeps nothing.
 */
export function perClient<M extends Incoming, O extends ObservableInput<unknown>>(
  project: (message$: Observable<M>, client: Socket) => O,
): OperatorFunction<M, ObservedValueOf<O>> {
  return (source) =>
    defer(() => {
      const inputs = new Map<Socket, Subject<M>>();
      return source.pipe(
        tap({
          error: (error) => inputs.forEach((input) => input.error(error)),
          complete: () => inputs.forEach((input) => input.complete()),
        }),
        filter((message) => {
          const input = inputs.get(message.client);
          input?.next(message);
          return input === undefined;
        }),
        mergeMap((first) => clientOutput(first, inputs, project)),
      );
    });
}

function clientOutput<M extends Incoming, O extends ObservableInput<unknown>>(
  first: M,
  inputs: Map<Socket, Subject<M>>,
  project: (message$: Observable<M>, client: Socket) => O,
): Observable<ObservedValueOf<O>> {
  return new Observable((subscriber) => {
    const { client } = first;
    const input = new Subject<M>();
    inputs.set(client, input);
    const output$ = from(project(input.asObservable(), client)) as Observable<ObservedValueOf<O>>;
    // with the input, for a client must be remembered until it has gone even if its output is complete
    merge(output$, input.pipe(ignoreElements())).subscribe(subscriber);
    input.next(first);
    // last, so that operators in the output that wait for the same have seen it before the output is unsubscribed
    subscriber.add(
      disconnected$(client).subscribe(() => {
        inputs.delete(client);
        input.complete();
        subscriber.complete();
      }),
    );
  });
}
