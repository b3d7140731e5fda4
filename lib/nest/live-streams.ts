import type { Socket } from 'socket.io';
import type { Subscription } from 'rxjs';

/** What runs for a client and ends with it; null while nothing does. */
const LIVE = Symbol('nestwire.live');

type Client = Socket & { [LIVE]?: Set<Subscription> | null };

/** Ends at its disconnect what runs for a client. To be called before other listeners of the disconnect are bound. */
export function endStreamsAtDisconnect(socket: Socket): void {
  const client = socket as Client;
  if (client[LIVE] !== undefined) return;
  client[LIVE] = null;
  client.on('disconnect', endStreams);
}

/** Keeps a subscription that ends with its client. Costs nothing for one that has ended already. */
export function endWithClient(socket: Socket, subscription: Subscription): void {
  if (subscription.closed) return;
  if (socket.connected === false) {
    subscription.unsubscribe();
    return;
  }
  const client = socket as Client;
  const live = (client[LIVE] ??= new Set());
  live.add(subscription);
  subscription.add(() => {
    live.delete(subscription);
    // an idle client keeps nothing
    if (live.size === 0 && client[LIVE] === live) client[LIVE] = null;
  });
}

function endStreams(this: Socket): void {
  const live = (this as Client)[LIVE];
  if (!live) return;
  for (const subscription of live) subscription.unsubscribe();
}
