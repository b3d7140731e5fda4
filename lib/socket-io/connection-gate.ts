import { isDeepStrictEqual } from 'node:util';
import { Socket, type Namespace, type Server } from 'socket.io';

/** What a client is told that may not come in: its `connect_error` has this message, and this as `data`. */
export interface ConnectError {
  readonly message: string;
  readonly data: object;
}

/**
 * What the gatekeeper says: `admit`, or how the client is refused. `retry` closes the connection instead of answering:
 * stock clients come back after that, and never after a `connect_error`.
 */
export type Verdict = 'admit' | 'retry' | ConnectError;

/** The namespace that a client wants to join; before it the one of the pattern that it was made from, if any. */
export type Lineage = readonly Namespace[];

/** Why an examination is given up when its time is over; otherwise because the client has gone. */
export const OUT_OF_TIME = Symbol('nestwire.outOfTime');

/** Who decides. */
export interface Gatekeeper {
  /** Milliseconds that an examination may take; then the answer is `retry`. */
  readonly timeout: number;
  /** Whether anybody has to be asked; if not, socket.io goes on as without a gate. */
  isGuarded(lineage: Lineage): boolean;
  /**
   * Examines a client that asks to come in.
   *
   * @param socket is not connected, and becomes the client's own when it is let in; unless a session is restored, which
   *   takes its `data` and rooms over.
   * @param signal aborts when the answer does not count any more, with {@link OUT_OF_TIME} as the reason if that is why.
   */
  examine(socket: Socket, lineage: Lineage, signal: AbortSignal): Promise<Verdict>;
  /** Hears of a client that broke the protocol while it was examined. Its connection is closed. */
  violated(namespace: string, what: string): void;
  /** Hears of what failed that is no decision: an examination that threw, a middleware. The answer is `retry`. */
  failed(error: unknown): void;
}

type Client = Socket['client'];
type Connected = (socket: Socket) => void;

/** What socket.io's typings hold back. */
interface NamespaceInternals {
  _createSocket(client: Client, auth: Auth): Promise<Socket>;
}
interface ServerInternals {
  readonly parentNsps: Map<unknown, Namespace & { readonly children: Set<Namespace> }>;
}
interface ClientInternals {
  readonly decoder: {
    on(event: 'decoded', listener: (packet: DecodedPacket) => void): void;
    removeListener(event: 'decoded', listener: (packet: DecodedPacket) => void): void;
  };
}
interface DecodedPacket {
  readonly type: number;
  readonly nsp: string;
}
type Auth = Record<string, unknown>;

/** Type of the packet that asks to join a namespace, in every revision of the Socket.IO protocol. */
const CONNECT = 0;

/** Puts a gate before every namespace of a server, those it has and those it will have. */
export function gateServer(server: Server, keeper: Gatekeeper): void {
  const gate = (namespace: Namespace): unknown => new Gate(namespace, lineageOf(server, namespace), keeper);
  for (const namespace of server._nsps.values()) gate(namespace);
  server.on('new_namespace', gate);
}

/** A new namespace is among the children of its parent before anybody hears of it. */
function lineageOf(server: Server, namespace: Namespace): Lineage {
  for (const parent of (server as unknown as ServerInternals).parentNsps.values()) {
    if (parent.children.has(namespace)) return [parent, namespace];
  }
  return [namespace];
}

/** One client that asked to join, until it has joined or been refused. */
interface Applicant {
  readonly client: Client;
  readonly auth: Auth;
  readonly connected: Connected;
  readonly examination: AbortController;
  readonly timer: NodeJS.Timeout;
  readonly left: () => void;
  readonly decoded: (packet: DecodedPacket) => void;
  /** What it is to socket.io when it is let in. */
  socket: Socket;
}

/**
 * The gate before one namespace: it has a client examined before socket.io does anything for it.
 *
 * socket.io has no public hook for that. Its middlewares run after the constructor of `Socket`, which restores a session
 * and sends the packets that were missed; whoever a middleware refuses has read them by then. So the gate takes the
 * place of three methods on the namespaces of one server (the objects, not the class): `_add`, which a CONNECT packet
 * calls, `_createSocket`, which restores a session, and `_remove`. `test/socket-io/connection-gate.spec.ts` pins what
 * it relies on.
 */
class Gate {
  /** One for each client, so that a client cannot have guards run more than once at a time. */
  private readonly applicants = new Map<Client, Applicant>();
  private readonly stock: Pick<Namespace, '_add' | '_remove'> & NamespaceInternals;

  constructor(
    private readonly namespace: Namespace,
    private readonly lineage: Lineage,
    private readonly keeper: Gatekeeper,
  ) {
    const { _add, _remove, _createSocket } = namespace as unknown as Gate['stock'];
    this.stock = { _add, _remove, _createSocket };
    Object.assign(namespace, {
      _add: (client: Client, auth: Auth, connected: Connected) => this.add(client, auth, connected),
      _remove: (socket: Socket) => this.remove(socket),
      _createSocket: (client: Client, auth: Auth) => this.createSocket(client, auth),
    });
  }

  private add(client: Client, auth: Auth, connected: Connected): Promise<void> | undefined {
    const earlier = this.applicants.get(client);
    if (earlier !== undefined) {
      // a client that asks for the same once more gets the one answer, but nobody could tell whom of two had been let in
      if (!isDeepStrictEqual(earlier.auth, auth)) this.expel(earlier, 'asked to join again, as somebody else');
      return undefined;
    }
    if (!this.keeper.isGuarded(this.lineage)) return this.stock._add.call(this.namespace, client, auth, connected);
    const applicant = this.apply(client, auth, connected);
    this.keeper.examine(applicant.socket, this.lineage, applicant.examination.signal).then(
      (verdict) => this.decide(applicant, verdict),
      (error: unknown) => this.fail(applicant, error),
    );
    return undefined;
  }

  private apply(client: Client, auth: Auth, connected: Connected): Applicant {
    const applicant: Applicant = {
      client,
      auth,
      connected,
      examination: new AbortController(),
      timer: setTimeout(() => this.outOfTime(applicant), this.keeper.timeout),
      left: () => this.dismiss(applicant),
      decoded: ({ type, nsp }) => {
        // socket.io has closed the connection: a packet for a namespace that the client has not joined
        if (type !== CONNECT && nsp === this.namespace.name) this.keeper.violated(nsp, 'sent before it was let in');
      },
      socket: new Socket(this.namespace, client, auth),
    };
    this.applicants.set(client, applicant);
    client.conn.on('close', applicant.left);
    decoderOf(client).on('decoded', applicant.decoded);
    return applicant;
  }

  private decide(applicant: Applicant, verdict: Verdict): void {
    if (applicant.examination.signal.aborted) return;
    if (verdict === 'admit') {
      this.admit(applicant);
      return;
    }
    this.dismiss(applicant);
    const { conn } = applicant.client;
    if (verdict === 'retry') conn.close();
    // what socket.io sends for the error of a middleware
    else applicant.socket._error(conn.protocol === 3 ? verdict.data : verdict);
  }

  /** From here on it is socket.io's; the middlewares of the namespace come next. */
  private admit(applicant: Applicant): void {
    this.stopExamining(applicant);
    const joined = (socket: Socket): void => {
      this.forget(applicant);
      applicant.connected(socket);
    };
    this.stock._add
      .call(this.namespace, applicant.client, applicant.auth, joined)
      .catch((error: unknown) => this.fail(applicant, error));
  }

  private async createSocket(client: Client, auth: Auth): Promise<Socket> {
    const applicant = this.applicants.get(client);
    if (applicant === undefined) return this.stock._createSocket.call(this.namespace, client, auth);
    // a guard that takes the `pid` away lets the client in without its session
    if (typeof auth['pid'] !== 'string') return applicant.socket;
    const restored = await this.stock._createSocket.call(this.namespace, client, auth);
    const examined = applicant.socket;
    if (!restored.recovered) return examined;
    applicant.socket = restored;
    restored.data = { ...restored.data, ...examined.data };
    for (const room of examined.rooms) void restored.join(room);
    examined._cleanup();
    return restored;
  }

  /** Called for every socket that leaves the namespace, or does not get into it. */
  private remove(socket: Socket): void {
    const applicant = this.applicants.get(socket.client);
    if (applicant?.socket === socket) this.forget(applicant);
    // socket.io takes a namespace that was made from a pattern away with its last socket; here some are about to join
    const remove = this.applicants.size === 0 ? this.stock._remove : classMethod(this.namespace, '_remove');
    remove.call(this.namespace, socket);
  }

  private outOfTime(applicant: Applicant): void {
    this.dismiss(applicant, OUT_OF_TIME);
    applicant.client.conn.close();
  }

  private fail(applicant: Applicant, error: unknown): void {
    this.keeper.failed(error);
    if (this.applicants.get(applicant.client) !== applicant) return;
    this.dismiss(applicant);
    applicant.client.conn.close();
  }

  private expel(applicant: Applicant, what: string): void {
    this.keeper.violated(this.namespace.name, what);
    this.dismiss(applicant);
    applicant.client.conn.close();
  }

  /** Ends an application that has not been granted; nothing of it is left. */
  private dismiss(applicant: Applicant, reason?: symbol): void {
    this.stopExamining(applicant);
    applicant.examination.abort(reason);
    // leaves the rooms that a guard had it join, and calls `_remove`
    applicant.socket._cleanup();
  }

  private stopExamining({ client, timer, left, decoded }: Applicant): void {
    clearTimeout(timer);
    client.conn.off('close', left);
    decoderOf(client).removeListener('decoded', decoded);
  }

  private forget(applicant: Applicant): void {
    this.applicants.delete(applicant.client);
  }
}

function decoderOf(client: Client): ClientInternals['decoder'] {
  return (client as unknown as ClientInternals).decoder;
}

/** A method as the class has it, whatever stands in its place on this very object. */
function classMethod<K extends keyof Namespace>(namespace: Namespace, name: K): Namespace[K] {
  return (Object.getPrototypeOf(namespace) as Namespace)[name];
}
