import type { Socket } from 'socket.io';
import { serverContextOf } from './server-context.js';

/** What an answer needs of a client. Filters may meet clients that are not socket.io's. */
export type AnsweredClient = Pick<Socket, 'emit'> & { readonly connected?: boolean };

/**
 * Sends an event that answers one client.
 *
 * With connection state recovery socket.io sends an `emit` to one client as a broadcast to its room, so that it is kept for
 * the time in which it is away; with several nodes that means that it has to be in the stream of all nodes first, and does
 * not arrive while that cannot be reached. An answer is worth less than that: it is for a client of this node that has just
 * asked, and follows its acknowledgements. So it goes to that room on this node only.
 *
 * @param recoverable whether it is to be kept all the same. Default: as the application says.
 */
export function emitAnswer(client: AnsweredClient, event: string, data: unknown, recoverable?: boolean): void {
  const context = serverContextOf(client);
  if (context?.emitsThroughCluster && !(recoverable ?? context.recoverable)) {
    const { nsp, id } = client as Socket;
    nsp.local.to(id).emit(event, data);
  } else client.emit(event, data);
}
