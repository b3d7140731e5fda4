import { defer, fromEvent, of, share, take, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';

interface Emitter {
  addListener(event: string | symbol, listener: (...args: any[]) => void): this;
  removeListener(event: string | symbol, listener: (...args: any[]) => void): this;
}

const SHARED = new WeakMap<object, Map<string, Observable<unknown>>>();

/**
 * An event of an emitter, with one listener however many subscribe, and none when nobody does: Node warns of a leak from the
 * eleventh on, and a client may well have more streams than that.
 */
export function eventOf<T>(emitter: object, event: string): Observable<T> {
  let events = SHARED.get(emitter);
  if (events === undefined) SHARED.set(emitter, (events = new Map()));
  let event$ = events.get(event);
  if (event$ === undefined) events.set(event, (event$ = fromEvent(emitter as Emitter, event).pipe(share())));
  return event$ as Observable<T>;
}

/** Emits once and completes when a client disconnects; at once, when it is not connected. */
export function disconnected$(client: Socket): Observable<unknown> {
  return defer(() => (client.connected ? eventOf(client, 'disconnect').pipe(take(1)) : of(undefined)));
}
