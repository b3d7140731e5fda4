import { Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import type { Session } from '../engine/session.js';
import { disconnected$, eventOf } from './events.js';

/** Bytes that may wait for a client before it counts as slow. */
export const DEFAULT_WRITABLE_BYTES = 256 * 1024;

/** When a client counts as slow. */
export interface WritableOptions {
  /**
   * Bytes that may wait for it. Clients that read a stream well confirm every 64 KiB, so with less than 128 KiB they may count as
   * slow until their next pong. Default 256 KiB.
   */
  bytes?: number;
}

/**
 * Bytes that were sent to a client and have not left yet: on its connection, so of all its namespaces together. What the
 * kernel has taken is not counted, nor what is not in this process (a client of another node has 0).
 */
export function waitingBytes(client: Pick<Socket, 'conn'>): number {
  return (client.conn as unknown as Partial<Session>).waitingBytes ?? 0;
}

/**
 * Whether a client takes what it is sent: false from when something is sent to it although more than some bytes wait for it
 * already, true again when no more than half of them do. Begins with what is so now; completes when the client disconnects.
 *
 * ```ts
 * writable$(client).pipe(switchMap((isWritable) => (isWritable ? frame$ : thumbnail$)));
 * ```
 */
export function writable$(
  client: Socket,
  { bytes = DEFAULT_WRITABLE_BYTES }: WritableOptions = {},
): Observable<boolean> {
  return new Observable((subscriber) => {
    // that of an engine which is not ours has 0 waiting bytes, and is never asked for more
    const session = client.conn as unknown as Session;
    let isWritable = true;
    const drained = (): void => {
      if (subscriber.closed) return;
      // half of it, so that a client at the limit does not change its state with every message
      if (waitingBytes(client) > bytes / 2) session.onceDrained(drained);
      else subscriber.next((isWritable = true));
    };
    const look = (): void => {
      if (!isWritable || waitingBytes(client) <= bytes) return;
      session.onceDrained(drained);
      subscriber.next((isWritable = false));
    };
    subscriber.add(() => {
      if (!isWritable) session.offDrained(drained);
    });
    subscriber.add(disconnected$(client).subscribe(() => subscriber.complete()));
    if (subscriber.closed) return;
    subscriber.add(eventOf(session, 'packetCreate').subscribe(look));
    look();
    if (isWritable) subscriber.next(true);
  });
}
