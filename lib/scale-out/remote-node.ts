import { Agent, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { EngineRequest } from '../engine/index.js';
import type { RelayedFacts, RelayOwner } from '../engine/relay.js';
import {
  ForwardedRequest,
  ForwardedUpgrade,
  type Forwarded,
  type ForwardingWatcher,
  type Outbound,
} from './forwarding.js';
import type { NodeRecord } from './node-registry.js';
import { endpointOf, Probe, type Endpoint } from './probe.js';
import { endToEnd, RELAY_HEADER, type Signatures } from './signature.js';

/** Connections that are kept open to another node between requests. */
const MAX_FREE_CONNECTIONS = 256;

/** What is counted about all that a node forwards. */
export interface ForwardingCounts {
  forwarded: number;
  open: number;
  failed: number;
}

/** Another node, with the connections to it and what is open on them. */
export class RemoteNode implements ForwardingWatcher {
  private readonly agent = new Agent({ keepAlive: true, maxFreeSockets: MAX_FREE_CONNECTIONS, scheduling: 'lifo' });
  private readonly open = new Set<Forwarded>();
  private readonly endpoint: Endpoint;
  private readonly probe: Probe;
  private isGone = false;
  private wasRefused = false;

  constructor(
    private readonly record: NodeRecord,
    private readonly signatures: Signatures,
    private readonly counts: ForwardingCounts,
    private readonly log: (message: string) => void,
    readonly stallTime: number,
  ) {
    this.endpoint = endpointOf(record.address);
    this.probe = new Probe(this.endpoint, {
      isNeeded: () => this.open.size > 0,
      lost: () => this.lost(),
      found: () => this.found(),
    });
  }

  forward(server: string, request: EngineRequest, response: ServerResponse, facts: RelayedFacts): void {
    const to = this.outbound(server, request, facts, this.agent, []);
    this.opened(new ForwardedRequest(request, response, to, this));
  }

  forwardUpgrade(
    server: string,
    request: EngineRequest,
    socket: Duplex,
    head: Buffer,
    facts: RelayedFacts,
    headers: readonly string[],
  ): void {
    // a connection of its own: it is not given back
    const upgrade = ['Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? 'websocket'];
    const to = this.outbound(server, request, facts, false, upgrade);
    this.opened(new ForwardedUpgrade(socket, head, to, headers, this));
  }

  ended(forwarded: Forwarded, answered: boolean): void {
    if (!this.open.delete(forwarded)) return;
    this.counts.open--;
    if (!answered) this.counts.failed++;
  }

  refusedByOwner(): void {
    // a client may find more ways to be refused; the owner counts them
    if (this.wasRefused) return;
    this.wasRefused = true;
    this.log(`the node at ${this.record.address} does not take our requests: another process, or another secret`);
  }

  /** The node is not there any more: ends all that waits for it. */
  gone(): void {
    this.isGone = true;
    this.probe.stop();
    this.cut();
  }

  /** This node goes away: cuts all that is open. */
  abandon(): void {
    for (const forwarded of this.open) forwarded.abandon();
  }

  private cut(): void {
    for (const forwarded of this.open) forwarded.ownerGone();
    this.agent.destroy();
  }

  private lost(): void {
    this.log(`the node at ${this.record.address} cannot be reached, though it is in the registry`);
    this.cut();
  }

  private found(): void {
    this.log(`the node at ${this.record.address} can be reached again`);
  }

  private opened(forwarded: Forwarded): void {
    this.open.add(forwarded);
    this.counts.forwarded++;
    this.counts.open++;
    // one that went while the request was judged is not heard of any more; one that cannot be reached is not waited for
    if (this.isGone || !this.probe.isAnswered) forwarded.ownerGone();
    else this.probe.begin();
  }

  private outbound(
    server: string,
    request: EngineRequest,
    facts: RelayedFacts,
    agent: Agent | false,
    connection: readonly string[],
  ): Outbound {
    const method = request.method ?? 'GET';
    const path = request.url ?? '/';
    const hasBody = method === 'POST';
    const kept = endToEnd(request.rawHeaders);
    const headers = withClientAddress(hasBody ? kept : without(kept, 'content-length'), request);
    const signature = this.signatures.sign(this.record.id, { method, url: path, headers }, server, facts);
    headers.push(RELAY_HEADER, signature, ...connection);
    return { ...this.endpoint, method, path, headers, agent, hasBody };
  }
}

/** Says whom the request came from, as proxies do. */
function withClientAddress(headers: string[], request: EngineRequest): string[] {
  const before = request.headers['x-forwarded-for'];
  const address = request.socket.remoteAddress ?? 'unknown';
  const kept = before === undefined ? headers : without(headers, 'x-forwarded-for');
  kept.push('X-Forwarded-For', before === undefined ? address : `${String(before)}, ${address}`);
  return kept;
}

function without(headers: readonly string[], name: string): string[] {
  return headers.filter((_, i) => headers[i - (i % 2)]!.toLowerCase() !== name);
}

/** A remote node as the owner of sessions of one of its servers. */
export class RemoteServer implements RelayOwner {
  constructor(
    private readonly node: RemoteNode,
    private readonly server: string,
  ) {}

  forward(request: EngineRequest, response: ServerResponse, facts: RelayedFacts): void {
    this.node.forward(this.server, request, response, facts);
  }

  forwardUpgrade(
    request: EngineRequest,
    socket: Duplex,
    head: Buffer,
    facts: RelayedFacts,
    headers: readonly string[],
  ): void {
    this.node.forwardUpgrade(this.server, request, socket, head, facts, headers);
  }
}
