import { afterEach } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Engine, type EngineOptions, type Session } from 'nestwire/engine';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import type { NodeRecord, NodeRegistry } from '../../lib/scale-out/node-registry.js';
import { RelayNode, type RelayNodeOptions } from '../../lib/scale-out/relay-node.js';
import { listening, stop } from '../support/wire-engine.js';
import { ask, type Answer } from '../support/wire-http.js';

/** A registry that nodes can be cut off from. */
export class CuttableRegistry implements NodeRegistry {
  /** Names of nodes that it does not answer. */
  readonly cut = new Set<string>();
  /** Whether it answers nobody. */
  isDown = false;
  private readonly nodes = new MemoryNodeRegistry();

  async renew(node: NodeRecord, lease: number): Promise<readonly NodeRecord[]> {
    this.check(node.id);
    return this.nodes.renew(node, lease);
  }

  async remove(id: string): Promise<void> {
    this.check(id);
    return this.nodes.remove(id);
  }

  private check(id: string): void {
    if (this.isDown || this.cut.has(id)) throw new Error('no route to host');
  }
}

/** What the nodes of a test know and nobody else. */
export const SECRET = 'a secret of 32 characters or more, for tests';

/** One node: an engine on an HTTP server, and its part of the relay. */
export interface TestNode {
  readonly engine: Engine;
  readonly relay: RelayNode;
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  /** Lines for the log. */
  readonly lines: string[];
  /** Leaves in an orderly way. */
  close(): Promise<void>;
}

export interface NodeOptions extends Partial<RelayNodeOptions> {
  readonly engine?: EngineOptions;
  readonly registry: NodeRegistry;
  /** An engine and a server that are there already. */
  readonly attached?: { readonly engine?: Engine; readonly server: Server };
}

export async function startNode({ engine: engineOptions, attached, ...options }: NodeOptions): Promise<TestNode> {
  const lines: string[] = [];
  const relay = new RelayNode({ secret: SECRET, log: (line) => lines.push(line), ...options });
  const server = attached?.server ?? createServer();
  const engine = attached?.engine ?? new Engine(engineOptions);
  engine.relay = relay.relayFor('main', engine);
  if (attached === undefined) engine.attach(server);
  try {
    await relay.ready;
  } catch (error) {
    await relay.close();
    throw error;
  }
  const port = await listening(server);
  return {
    engine,
    relay,
    server,
    port,
    lines,
    url: `http://127.0.0.1:${port}/engine.io/`,
    async close() {
      engine.close();
      await stop(server);
      await relay.close();
    },
  };
}

/** A function that starts a node among others of the test; all end after it. */
export function useNodes(): (options?: Partial<NodeOptions>) => Promise<TestNode> {
  let registry = new MemoryNodeRegistry();
  const nodes: TestNode[] = [];
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    registry = new MemoryNodeRegistry();
  });
  return async (options = {}) => {
    const node = await startNode({ registry, ...options });
    nodes.push(node);
    return node;
  };
}

/** Two nodes, and a session. */
export interface Pair {
  /** Owns the session. */
  readonly owner: TestNode;
  /** Gets the requests. */
  readonly other: TestNode;
  readonly session: Session;
  readonly sid: string;
  /** URL at the other node. */
  readonly url: string;
}

/** A function that starts two nodes, and opens a session over long polling at one of them. */
export function usePairs(start: ReturnType<typeof useNodes>) {
  return async (options: Partial<NodeOptions> = {}, transport = 'polling', more = ''): Promise<Pair> => {
    const [owner, other] = [await start(options), await start(options)];
    const opened = once(owner.engine, 'connection') as Promise<[Session]>;
    const query = `?EIO=4&transport=${transport}`;
    const { text } = await ask(`${owner.url}?EIO=4&transport=polling${more}`);
    const { sid } = JSON.parse(text.slice(1)) as { sid: string };
    const [session] = await opened;
    return { owner, other, session, sid, url: `${other.url}${query}&sid=${sid}` };
  };
}

/** The server of a node's relay port. */
export function relayServerOf({ relay }: TestNode): Server {
  return (relay as unknown as { port: { server: Server } }).port.server;
}

export function relayPortOf(node: TestNode): number {
  return (relayServerOf(node).address() as AddressInfo).port;
}

/** What stands in the request line for a URL. */
export function targetOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** The answer for a session that nobody has. */
export const UNKNOWN = { code: 1, message: 'Session ID unknown' };

/** A POST as clients send it. */
export function post(url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(url, { method: 'POST', body, headers: { 'content-type': 'text/plain;charset=UTF-8', ...headers } });
}

/** Whether a request names a session. */
export function namesSession({ url = '' }: IncomingMessage): boolean {
  return new URL(url, 'http://localhost').searchParams.has('sid');
}
