import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { allowEmbedding, type RequestPolicy } from './embedding.js';
import type { Engine } from './engine.js';
import { Refusal } from './errors.js';
import { examineHead } from './handshake.js';
import { clientAddress, type TrustProxy } from './request.js';
import type { RelayedFacts, RelayOwner } from './relay.js';
import type { EngineRequest } from './session.js';
import type { TransportKind } from './transports/registry.js';

/**
 * Hands requests of sessions that are not here to the node that owns them, after what can be checked without the session.
 */
export class HandOver {
  constructor(
    private readonly engine: Engine,
    private readonly policy: RequestPolicy,
    private readonly trust: TrustProxy | undefined,
    private readonly host: { readonly closing: boolean },
  ) {}

  /**
   * Whether a request may be for another node: it names a session, and none that is here.
   * A plain look, so that requests of one's own sessions do not wait for anything.
   */
  concerns({ _query: { sid } }: EngineRequest): boolean {
    const { relay, clients } = this.engine;
    return relay !== null && sid !== undefined && sid !== '' && !clients.has(sid);
  }

  /** @returns whether it was handed over. @throws Refusal */
  async request(request: EngineRequest, response: ServerResponse): Promise<boolean> {
    const kind = examineHead(this.engine.opts, request);
    const owner = await this.ownerFor(request);
    if (owner === undefined) return false;
    const { maxHttpBufferSize } = this.engine.opts;
    if (Number(request.headers['content-length']) > maxHttpBufferSize) {
      this.engine.limitExceeded('maxHttpBufferSize', `POST body over ${maxHttpBufferSize} bytes`);
      throw new Refusal('PAYLOAD_TOO_LARGE', { name: 'maxHttpBufferSize' });
    }
    const facts = await this.facts(kind, request);
    if (facts.isOriginAllowed) allowEmbedding(kind, request, response);
    // a client that has left in the meantime is not told of any more
    if (!response.destroyed) owner.forward(request, response, facts);
    return true;
  }

  /**
   * @param headers lines that middlewares want in the answer.
   * @returns whether it was handed over. @throws Refusal
   */
  async upgrade(request: EngineRequest, socket: Duplex, head: Buffer, headers: readonly string[]): Promise<boolean> {
    const kind = examineHead(this.engine.opts, request);
    const owner = await this.ownerFor(request);
    if (owner === undefined) return false;
    const facts = await this.facts(kind, request);
    if (!socket.destroyed) owner.forwardUpgrade(request, socket, head, facts, headers);
    return true;
  }

  private ownerFor(request: EngineRequest): RelayOwner | undefined | Promise<RelayOwner | undefined> {
    return this.engine.relay!.ownerOf(request._query['sid']!);
  }

  private async facts(kind: TransportKind, request: EngineRequest): Promise<RelayedFacts> {
    const isOriginAllowed = await this.policy.allows(kind, request);
    // nobody would cut it any more; a balancer asks another node
    if (this.host.closing) throw new Refusal('SHUTTING_DOWN');
    return { address: clientAddress(request, this.trust), isOriginAllowed };
  }
}
