/** Something that an emitter sent, and to whom. */
export interface Sent {
  /** Rooms; an empty list is everybody. */
  readonly to: readonly string[];
  readonly except: readonly string[];
  readonly volatile: boolean;
  readonly local: boolean;
}

/** A client that a {@link FakeEmitter} has, for `sockets`, `join`, `leave` and `disconnect`. */
export interface FakeClient {
  readonly id: string;
  readonly rooms?: readonly string[];
  readonly data?: unknown;
  readonly handshake?: object;
}

/** What clients answer to an event, and how many of them never do. */
export interface FakeReply {
  readonly answers: readonly unknown[] | ((...data: any[]) => readonly unknown[]);
  readonly silent: number;
}

/** What socket.io gives an adapter. */
interface Packet {
  readonly data: [event: string, ...args: any[]];
}
interface Audience {
  readonly rooms: ReadonlySet<string>;
  readonly except?: ReadonlySet<string>;
  readonly flags?: { readonly volatile?: boolean; readonly local?: boolean };
}

interface Recorded extends Sent {
  readonly event: string;
  readonly args: any[];
}

/** An adapter of socket.io that sends nothing and remembers everything. */
export class RecordingAdapter {
  readonly emitted: Recorded[] = [];
  readonly requested: Recorded[] = [];
  readonly replies = new Map<string, FakeReply>();
  readonly clients = new Map<string, Required<Omit<FakeClient, 'rooms'>> & { readonly rooms: Set<string> }>();

  constructor(clients: readonly FakeClient[]) {
    for (const { id, rooms = [], data = {}, handshake = {} } of clients)
      this.clients.set(id, { id, rooms: new Set([id, ...rooms]), data, handshake });
  }

  init(): void {}
  close(): void {}

  async serverCount(): Promise<number> {
    return 1;
  }

  broadcast({ data: [event, ...args] }: Packet, audience: Audience): void {
    this.emitted.push({ event, args, ...sentTo(audience) });
  }

  broadcastWithAck(
    { data: [event, ...args] }: Packet,
    audience: Audience,
    asked: (clients: number) => void,
    answered: (answer: unknown) => void,
  ): void {
    this.requested.push({ event, args, ...sentTo(audience) });
    const { answers, silent } = this.replies.get(event) ?? { answers: [], silent: 0 };
    const all = typeof answers === 'function' ? answers(...args) : answers;
    asked(all.length + silent);
    // one that rejects is a client that never answers
    for (const answer of all) Promise.resolve(answer).then(answered, () => {});
  }

  addSockets(audience: Audience, rooms: readonly string[]): void {
    for (const client of this.among(audience)) for (const room of rooms) client.rooms.add(room);
  }

  delSockets(audience: Audience, rooms: readonly string[]): void {
    for (const client of this.among(audience)) for (const room of rooms) client.rooms.delete(room);
  }

  disconnectSockets(audience: Audience): void {
    for (const { id } of this.among(audience)) this.clients.delete(id);
  }

  async fetchSockets(audience: Audience): Promise<unknown[]> {
    return this.among(audience).map((client) => ({ ...client, rooms: [...client.rooms] }));
  }

  private among({ rooms, except }: Audience) {
    return [...this.clients.values()].filter(
      (client) =>
        (rooms.size === 0 || [...rooms].some((room) => client.rooms.has(room))) &&
        ![...(except ?? [])].some((room) => client.rooms.has(room)),
    );
  }
}

function sentTo({ rooms, except = new Set(), flags = {} }: Audience): Sent {
  return { to: [...rooms], except: [...except], volatile: flags.volatile === true, local: flags.local === true };
}
