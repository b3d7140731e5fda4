import { Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import type { Session } from '../engine/session.js';

/** Bytes that may wait for a client before it counts as slow. A stream that is read well confirms every 64 KiB. */
export const DEFAULT_WRITABLE_BYTES = 256 * 1024;

/**
 * Bytes that were sent to a client and have not left yet: on its connection, so of all its namespaces together. What the
 * kernel has taken is not counted, nor what is not in this process (a client of another node has 0).
 */
export function waitingBytes(client: Pick<Socket, 'conn'>): number {
  return (client.conn as unknown as Partial<Session>).waitingBytes ?? 0;
}

/**
 * Whether a client takes what it is sent: true at once or as soon as it does, false while more than some bytes wait for it, and
 * so on. Completes when the client disconnects.
 *
 * @param bytes how many bytes may wait. Default 256 KiB.
 */
export function writable$(client: Socket, { bytes = DEFAULT_WRITABLE_BYTES } = {}): Observable<boolean> {
  return new Observable((subscriber) => {
    if (!client.connected) {
      subscriber.complete();
      return;
    }
    const session = client.conn as unknown as Session;
    let writable = session.waitingBytes <= bytes;
    const drained = (): void => {
      if (subscriber.closed || writable) return;
      // half of it, so that a client at the limit does not change its state with every message
      if (session.waitingBytes > bytes / 2) session.onceDrained(drained);
      else subscriber.next((writable = true));
    };
    const sent = (): void => {
      if (!writable || session.waitingBytes <= bytes) return;
      session.onceDrained(drained);
      subscriber.next((writable = false));
    };
    const ended = (): void => subscriber.complete();
    session.on('packetCreate', sent);
    client.on('disconnect', ended);
    subscriber.add(() => {
      session.off('packetCreate', sent);
      session.offDrained(drained);
      client.off('disconnect', ended);
    });
    if (!writable) session.onceDrained(drained);
    subscriber.next(writable);
  });
}
