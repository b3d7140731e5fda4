import { filter, map, type OperatorFunction } from 'rxjs';
import { addressed, type Addressed, type WithRecipients } from '../outgoing.js';

/** Rooms; the id of a client is a room of its own. */
export type Rooms = string | readonly string[];

/**
 * Says who gets what a stream method returns, instead of the client (client scope) or the whole namespace (gateway scope):
 * those in a room, or in at least one of several. The event and the rooms to leave out, if a value names them, stay; plain
 * data goes out as the event of the stream.
 *
 * ```ts
 * move$.pipe(
 *   map(({ client, data }) => ({ event: 'moved', data, except: client.id })),
 *   toRoom(({ data }) => `board:${data.board}`),
 * );
 * ```
 *
 * @param rooms the same for all, or what names them for each value. When it names none (undefined, an empty list), nobody
 * gets the value: it is dropped.
 */
export function toRoom<T>(
  rooms: Rooms | ((value: T, index: number) => Rooms | undefined),
): OperatorFunction<T, WithRecipients<T>> {
  const roomsOf = typeof rooms === 'function' ? rooms : () => rooms;
  return (source) =>
    source.pipe(
      map((value, index) => addressed(value, roomsOf(value, index) ?? [])),
      // without rooms, socket.io would send to everybody
      filter((outgoing) => (outgoing as Addressed).to!.length > 0),
    );
}
