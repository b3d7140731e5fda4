import type { Engine } from '../engine/index.js';
import type { Relay, RelayOwner, RelayStats } from '../engine/relay.js';
import { CutOff } from './cut-off.js';
import type { NodeRecord, NodeRegistry } from './node-registry.js';
import { NodeTable } from './node-table.js';
import { askNode, endpointOf } from './probe.js';
import { REGISTRY_HEADER, RegistryProof } from './registry-proof.js';
import { RelayPort } from './relay-port.js';
import { RemoteNode, RemoteServer, type ForwardingCounts } from './remote-node.js';
import { newNodeId, SessionIds } from './session-ids.js';
import { Signatures } from './signature.js';

/** Milliseconds without a renewal after which a node counts as gone. */
const LEASE = 5_000;
/** Milliseconds between two renewals: two may be lost. */
const RENEW_EVERY = 1_500;
/** Milliseconds for a client to take anything of what waits for it: longer than its session lives without a sign of it. */
const STALL_TIME = 60_000;
/** Milliseconds that another node has to say whether it reaches the registry. */
const WITNESS_TIME = 1_000;

/** What a node's part of the relay is made of. Times in milliseconds. */
export interface RelayNodeOptions {
  readonly registry: NodeRegistry;
  /** What all nodes know and nobody else, at least 32 random characters. */
  readonly secret: string | Promise<string>;
  /** Interface that the relay's port listens on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Host under which other nodes find it. Default `host`. */
  readonly advertisedHost?: string | undefined;
  /** Default 0: any free one. */
  readonly port?: number | undefined;
  /**
   * Whether to let clients in before other nodes can find this one: `ready` then waits for the port only, ids are made
   * without a name until the secret is there, and such sessions are at home on this node only. Default false.
   */
  readonly mayDegrade?: boolean | undefined;
  /** Default 5,000. */
  readonly lease?: number | undefined;
  /** Default 1,500. */
  readonly renewEvery?: number | undefined;
  /**
   * After which time a client is cut that takes nothing of what another node has for it: its session may have ended, which
   * nobody sees while nothing is read. Default 60,000.
   */
  readonly stallTime?: number | undefined;
  log(message: string): void;
}

/**
 * One node of many that hand requests to each other over HTTP: each opens a port for the others, enters it into a registry,
 * and signs its name into the ids of its sessions.
 */
export class RelayNode {
  /** Resolves when other nodes find this one. Rejects when the port, the secret or the registry fails. */
  readonly ready: Promise<void>;
  /** The name of this node, new at each start. */
  readonly id = newNodeId();
  private readonly port: RelayPort;
  /** When the port is open, or cannot be opened. */
  private readonly opened: Promise<void>;
  private readonly counts: ForwardingCounts = { forwarded: 0, open: 0, failed: 0 };
  private readonly remotes = new Map<string, RemoteNode>();
  private ids: SessionIds | null = null;
  private signatures: Signatures | null = null;
  private table: NodeTable | null = null;
  private proof: RegistryProof | null = null;
  private readonly cutOff: CutOff;
  private refused = 0;
  private closed = false;

  constructor(private readonly options: RelayNodeOptions) {
    const { host = '127.0.0.1', port = 0 } = options;
    this.port = new RelayPort({
      host,
      port,
      onRefused: (from) => this.onRefused(from),
      proveReach: (challenge) => this.proveReach(challenge),
    });
    this.cutOff = new CutOff({
      askEvery: options.renewEvery ?? RENEW_EVERY,
      peers: () => this.table?.others ?? [],
      ask: (peer) => this.askForReach(peer),
      log: options.log,
    });
    const opened = this.port.listen();
    const entered = opened.then((boundPort) => this.enter(host, boundPort));
    entered.catch(() => {});
    this.opened = opened.then(ignore, ignore);
    this.ready = options.mayDegrade ? opened.then(ignore) : entered;
    // whoever does not wait for it finds it in the handshakes that fail
    this.ready.catch(() => {});
  }

  /** The relay of one engine, which other nodes know by the same name. */
  relayFor(name: string, engine: Engine): Relay {
    this.port.add(name, engine);
    return {
      sessionId: (id) => this.sessionId(id),
      ownerOf: (sid) => this.ownerOf(name, sid),
      isCutOff: () => this.cutOff.isCutOff,
      close: () => this.abandon(),
      stats: () => this.stats(),
    };
  }

  stats(): RelayStats {
    return {
      ...this.counts,
      received: this.port.received,
      refused: this.refused,
      nodes: this.table?.size ?? 0,
      isRegistryReachable: this.table?.isReachable ?? false,
      isCutOff: this.cutOff.isCutOff,
    };
  }

  /** Leaves the registry, ends what is open, and closes the port. */
  async close(): Promise<void> {
    this.closed = true;
    this.cutOff.stop();
    await this.opened;
    await this.table?.close();
    this.abandon();
    for (const id of this.remotes.keys()) this.gone(id);
    await this.port.close();
  }

  private async enter(host: string, port: number): Promise<void> {
    const { registry, advertisedHost = host, lease = LEASE, renewEvery = RENEW_EVERY, log } = this.options;
    const secret = await this.options.secret;
    if (this.closed) return;
    const bracketed = advertisedHost.includes(':') ? `[${advertisedHost}]` : advertisedHost;
    const self: NodeRecord = { id: this.id, address: `${bracketed}:${port}` };
    this.ids = new SessionIds(this.id, secret);
    this.signatures = new Signatures(this.id, secret);
    this.port.accept(this.signatures);
    this.proof = new RegistryProof(secret);
    this.table = new NodeTable({
      registry,
      self,
      lease,
      renewEvery,
      log,
      onGone: (id) => this.gone(id),
      onLost: (since) => this.cutOff.lost(since),
      onFound: () => this.cutOff.found(),
    });
    await this.table.start();
  }

  private sessionId(id: string): string | Promise<string> {
    if (this.ids !== null) return this.ids.make(id);
    return this.options.mayDegrade ? id : this.ready.then(() => this.namedId(id));
  }

  private namedId(id: string): string {
    if (this.ids === null) throw new Error('the relay was closed before it had started');
    return this.ids.make(id);
  }

  private ownerOf(server: string, sid: string): RelayOwner | undefined | Promise<RelayOwner | undefined> {
    const nodeId = this.ids?.nodeOf(sid);
    if (nodeId === undefined || nodeId === this.id || this.closed) return undefined;
    const record = this.table!.find(nodeId);
    if (record instanceof Promise) return record.then((found) => found && this.serverOf(found, server));
    return record && this.serverOf(record, server);
  }

  private serverOf(record: NodeRecord, server: string): RelayOwner {
    let remote = this.remotes.get(record.id);
    if (remote === undefined) {
      const { log, stallTime = STALL_TIME } = this.options;
      remote = new RemoteNode(record, this.signatures!, this.counts, log, stallTime);
      this.remotes.set(record.id, remote);
    }
    return new RemoteServer(remote, server);
  }

  /** Says to another node, which may be cut off, that this one is not. */
  private proveReach(challenge: unknown): string | undefined {
    const age = this.table?.age;
    return age === undefined ? undefined : this.proof!.answer(challenge, age);
  }

  private async askForReach({ address }: NodeRecord): Promise<number | undefined> {
    const challenge = this.proof!.challenge();
    const headers = await askNode(endpointOf(address), WITNESS_TIME, { [REGISTRY_HEADER]: challenge });
    return this.proof!.read(challenge, headers[REGISTRY_HEADER]);
  }

  /** This node goes away, with the requests that are on their way through it. */
  private abandon(): void {
    for (const remote of this.remotes.values()) remote.abandon();
  }

  private gone(id: string): void {
    this.signatures!.retire(id);
    this.remotes.get(id)?.gone();
    this.remotes.delete(id);
  }

  private onRefused(from: string): void {
    // the first tells whoever looks; the count says whether it goes on
    if (this.refused++ === 0) this.options.log(`the relay port refused a request from ${from} that no node has signed`);
  }
}

function ignore(): void {
  // who waits for it hears of it by `ready`
}
