import type { Namespace, Socket } from 'socket.io';
import type { Session } from '../engine/session.js';
import type { Recipients } from './outgoing.js';
import { waitingBytes } from './writable.js';

/**
 * What happens to output for a client that does not take it.
 *
 * - `drop`: it is dropped.
 * - `latest`: the latest value of each event is kept, and sent when the client takes it.
 * - `disconnect`: the client's whole connection is closed, since stock clients do not come back to a namespace alone.
 */
export type SlowReaderPolicy = 'drop' | 'latest' | 'disconnect';

/** Bytes that may wait for a client, and what happens to output beyond that. */
export interface SlowReaderBudget {
  readonly bytes: number;
  readonly policy: SlowReaderPolicy;
}

/** Who hears of what becomes of slow readers. */
export interface SlowReadersHost {
  /** A value was not sent, because its client does not take it. */
  dropped(): void;
  warn(text: string): void;
  /** Sends a client what was held back for it. Default: by its `emit()`. */
  send?(client: Socket, event: string, data: unknown): void;
}

/** Keeps one source of output within its budget, client by client. */
export class SlowReaders {
  /** The latest value of each event, for clients that do not take it now. */
  private readonly latest = new WeakMap<Socket, Map<string, unknown>>();

  constructor(
    private readonly budget: SlowReaderBudget,
    private readonly host: SlowReadersHost,
  ) {}

  /** Whether a client is not to be sent anything now; to be asked once for each value, which is then held back. */
  isSlow(client: Socket): boolean {
    return this.latest.has(client) || waitingBytes(client) > this.budget.bytes;
  }

  /** Does with a value for a slow client what the policy says. */
  holdBack(client: Socket, event: string, data: unknown): void {
    const { bytes, policy } = this.budget;
    if (policy === 'disconnect') {
      this.host.warn(`client ${client.id} reads too slowly: ${waitingBytes(client)} bytes wait, ${bytes} may`);
      (client.conn as unknown as Session).giveUp();
      return;
    }
    if (policy === 'drop') {
      this.host.dropped();
      return;
    }
    const held = this.latest.get(client);
    if (held === undefined) {
      this.latest.set(client, new Map([[event, data]]));
      this.sendLater(client);
      return;
    }
    if (held.has(event)) this.host.dropped();
    held.set(event, data);
  }

  /**
   * Holds back what the slow ones among some clients would get of a broadcast.
   *
   * @param namespace in which it is sent; null for all that the clients are in.
   * @returns the ids of those who are not to get it.
   */
  holdBackFrom(
    clients: Iterable<Socket>,
    namespace: Namespace | null,
    recipients: Recipients,
    event: string,
    data: unknown,
  ): string[] {
    const ids: string[] = [];
    for (const client of clients) {
      if (!isAmong(client, namespace, recipients) || !this.isSlow(client)) continue;
      this.holdBack(client, event, data);
      ids.push(client.id);
    }
    return ids;
  }

  private sendLater(client: Socket): void {
    const session = client.conn as unknown as Session;
    session.onceDrained(() => {
      if (!client.connected) return;
      if (session.waitingBytes > this.budget.bytes / 2) {
        this.sendLater(client);
        return;
      }
      const held = this.latest.get(client)!;
      this.latest.delete(client);
      for (const [event, data] of held) {
        if (this.host.send !== undefined) this.host.send(client, event, data);
        else client.emit(event, data);
      }
    });
  }
}

/** Whether a client is among those of a broadcast. */
function isAmong(client: Socket, namespace: Namespace | null, { to, except }: Recipients): boolean {
  if (!client.connected || (namespace !== null && client.nsp !== namespace)) return false;
  return (to === undefined || isIn(client, to)) && (except === undefined || !isIn(client, except));
}

function isIn({ rooms }: Socket, names: string | readonly string[]): boolean {
  return typeof names === 'string' ? rooms.has(names) : names.some((name) => rooms.has(name));
}
