import { randomBytes } from 'node:crypto';
import type { Socket } from 'socket.io';
import type { AdapterConnection } from './adapter-connection.js';
import type { StreamsAdapter } from './namespace-adapter.js';

/** Milliseconds in which changes of one client are joined to one snapshot. */
const JOIN_WINDOW = 100;

/** Milliseconds between two looks for snapshots that are getting old. */
const LOOK_INTERVAL = 1000;

/**
 * Snapshots are renewed after this share of the time for which a session may be recovered, so that one of a node that died
 * lives at least for the rest of it.
 */
const RENEWAL_SHARE = 1 / 4;

/** What other nodes are told when a client has come back to this one while its old one does not know that it has gone. */
const MOVED = 'nestwire:session-moved';

type Session = Parameters<StreamsAdapter['persistSession']>[0] & { owner?: string };

/** With its private id, which the typings of socket.io hold back. */
type RecoverableSocket = Pick<Socket, 'id' | 'conn' | 'data'> & { readonly pid?: string };

/** A client of this node. */
interface Live {
  readonly socket: RecoverableSocket;
  readonly pid: string;
  /** In its snapshots, which tells them from those that other nodes have made since. */
  readonly owner: string;
  writtenAt: number;
}

/** Has an adapter keep {@link Snapshots}, until it is closed. @param maxAge milliseconds for which a session may be recovered. */
export function keepSnapshots(...args: ConstructorParameters<typeof Snapshots>): void {
  void new Snapshots(...args);
}

/**
 * Keeps a session in Redis while its client is connected, in the form in which the streams adapter reads it, so that it can
 * be recovered from a node that died. socket.io itself keeps a session only when its connection ends in order.
 *
 * Written at connect, a moment after rooms have changed, and when the last one is getting old, for it expires. When a
 * connection ends for a reason after which it must not be recovered (a disconnect by either side), the snapshot goes.
 */
class Snapshots {
  /** By the private id. Those written longest ago come first. */
  private readonly live = new Map<string, Live>();
  private readonly changed = new Set<Live>();
  private readonly stock: Pick<StreamsAdapter, 'addAll' | 'del' | 'delAll' | 'persistSession' | 'restoreSession'>;
  private readonly renewAfter: number;
  private readonly looking: NodeJS.Timeout;
  private writing: NodeJS.Timeout | null = null;
  private made = 0;
  private readonly prefix = randomBytes(9).toString('base64url');
  /** The socket whose session socket.io has just kept itself. */
  private kept: string | null = null;
  private hasFailed = false;

  /** @param maxAge milliseconds for which a session may be recovered. */
  constructor(
    private readonly adapter: StreamsAdapter,
    private readonly connection: AdapterConnection,
    private readonly keyPrefix: string,
    maxAge: number,
    private readonly log: (message: string) => void,
  ) {
    const { addAll, del, delAll, persistSession, restoreSession, close } = adapter;
    this.stock = {
      addAll: addAll.bind(adapter),
      del: del.bind(adapter),
      delAll: delAll.bind(adapter),
      persistSession: persistSession.bind(adapter),
      restoreSession: restoreSession.bind(adapter),
    };
    this.renewAfter = maxAge * RENEWAL_SHARE;
    this.looking = setInterval(() => this.renewOld(), LOOK_INTERVAL);
    this.looking.unref();
    const moved = (pid: string, owner: string): void => this.moved(pid, owner);
    adapter.nsp.on(MOVED, moved);
    Object.assign(adapter, {
      addAll: (...args: Parameters<StreamsAdapter['addAll']>) => this.joined(...args),
      del: (...args: Parameters<StreamsAdapter['del']>) => this.left(...args),
      delAll: (id: string) => this.gone(id),
      persistSession: (session: Session) => this.persist(session),
      restoreSession: (pid: string, offset: string) => this.restore(pid, offset),
      close: () => {
        this.close();
        adapter.nsp.off(MOVED, moved);
        return close.call(adapter);
      },
    });
  }

  private joined(id: string, rooms: Set<string>): Promise<void> | void {
    const result = this.stock.addAll(id, rooms);
    this.change(id);
    return result;
  }

  private left(id: string, room: string): Promise<void> | void {
    const result = this.stock.del(id, room);
    this.change(id);
    return result;
  }

  /** It is called for every socket that leaves, after its session was kept, if that was to be. */
  private gone(id: string): void {
    const socket = this.socketOf(id);
    const live = socket?.pid === undefined ? undefined : this.live.get(socket.pid);
    if (live !== undefined && live.socket === socket) {
      this.forget(live);
      if (this.kept !== id) this.connection.del(this.keyPrefix + live.pid);
    }
    this.kept = null;
    this.stock.delAll(id);
  }

  private persist(session: Session): void {
    // the session of a client that has moved is kept by the node where it is now
    if (!this.live.has(session.pid)) return;
    this.kept = session.sid;
    this.stock.persistSession(session);
  }

  private async restore(pid: string, offset: string): ReturnType<StreamsAdapter['restoreSession']> {
    // a client that comes back before its old connection was found dead: its session as it is now is kept first
    this.live.get(pid)?.socket.conn.close(true);
    const session = (await this.stock.restoreSession(pid, offset)) as Awaited<
      ReturnType<StreamsAdapter['restoreSession']>
    > & { owner?: string };
    // of a snapshot: its node may be alive
    if (session?.owner !== undefined) this.adapter.nsp.serverSideEmit(MOVED, pid, session.owner);
    return session;
  }

  /** A client is on another node now, and the connection that this one has of it is dead. */
  private moved(pid: string, owner: string): void {
    const live = this.live.get(pid);
    if (live?.owner !== owner) return;
    this.forget(live);
    live.socket.conn.close(true);
  }

  private change(id: string): void {
    const socket = this.socketOf(id);
    // one that has not joined yet is written when it has
    if (socket?.pid === undefined) return;
    const { pid } = socket;
    let live = this.live.get(pid);
    if (live?.socket !== socket) {
      live = { socket, pid, owner: `${this.prefix}${(this.made++).toString(36)}`, writtenAt: performance.now() };
      this.live.set(pid, live);
    }
    this.mark(live);
  }

  private renewOld(): void {
    const old = performance.now() - this.renewAfter;
    for (const live of this.live.values()) {
      if (live.writtenAt > old) return;
      this.mark(live);
    }
  }

  private mark(live: Live): void {
    this.changed.add(live);
    if (this.writing !== null) return;
    this.writing = setTimeout(() => this.write(), JOIN_WINDOW);
    this.writing.unref();
  }

  private write(): void {
    this.writing = null;
    // while Redis is away nothing is piled up for it; the next look finds what is old by then
    if (this.connection.isReady) for (const live of this.changed) this.writeOne(live);
    this.changed.clear();
  }

  private writeOne(live: Live): void {
    const { socket, pid, owner } = live;
    live.writtenAt = performance.now();
    this.live.delete(pid);
    this.live.set(pid, live);
    const rooms = [...(this.adapter.socketRooms(socket.id) ?? [])];
    try {
      this.stock.persistSession({ sid: socket.id, pid, rooms, data: socket.data, owner } as Session);
    } catch (error) {
      if (!this.hasFailed) this.log(`the data of a client cannot be kept for its recovery: ${String(error)}`);
      this.hasFailed = true;
    }
  }

  private forget(live: Live): void {
    this.live.delete(live.pid);
    this.changed.delete(live);
  }

  private socketOf(id: string): RecoverableSocket | undefined {
    return this.adapter.nsp.sockets.get(id) as RecoverableSocket | undefined;
  }

  private close(): void {
    clearInterval(this.looking);
    if (this.writing !== null) clearTimeout(this.writing);
    this.live.clear();
    this.changed.clear();
  }
}
