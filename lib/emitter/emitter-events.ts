import type { EventsMap } from '../streams/events-map.js';

/** Names of the events of a map. */
export type EventName<Events extends EventsMap> = keyof Events & string;

type IsAny<T> = 0 extends 1 & T ? true : false;
type Callback = (...args: any[]) => unknown;
type Args<F> = IsAny<F> extends true ? any[] : F extends (...args: infer A) => unknown ? A : never;

/** What an event carries: what its function takes, without the acknowledgement at the end. */
export type EventData<F> = Args<F> extends [...infer D, Callback] ? D : Args<F>;

/** The first thing that an event carries; undefined when it carries nothing. */
export type SingleData<F> = IsAny<F> extends true ? any : EventData<F> extends [] ? undefined : EventData<F>[0];

/** What clients answer to an event: what its acknowledgement takes, without an error in front. */
export type Answer<F> =
  IsAny<F> extends true
    ? any
    : Args<F> extends [...unknown[], (...answer: infer A) => unknown]
      ? A extends [Error, ...infer Rest]
        ? Rest[0]
        : A[0]
      : never;

/** Events for which one thing is enough, or nothing. */
export type SingleEvent<Events extends EventsMap> = {
  [E in EventName<Events>]: IsAny<Events[E]> extends true
    ? E
    : EventData<Events[E]> extends [any, any, ...any[]]
      ? never
      : E;
}[EventName<Events>];

/** Events that clients answer, and for which one thing is enough, or nothing. */
export type RequestEvent<Events extends EventsMap> = {
  [E in SingleEvent<Events>]: IsAny<Events[E]> extends true
    ? E
    : Args<Events[E]> extends [...unknown[], Callback]
      ? E
      : never;
}[SingleEvent<Events>];

/**
 * Events that socket.io keeps for itself: those of its sockets, which it refuses to emit
 * (https://socket.io/docs/v4/emit-cheatsheet/#reserved-events).
 */
const RESERVED: ReadonlySet<string> = new Set([
  'connect',
  'connect_error',
  'disconnect',
  'disconnecting',
  'newListener',
  'removeListener',
]);

/** @throws Error, with socket.io's own words, for an event that is reserved. */
export function refuseReserved(event: string): void {
  if (RESERVED.has(event)) throw new Error(`"${event}" is a reserved event name`);
}
