import { createServer, maxHeaderSize, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Engine } from '../engine/index.js';
import { isProbe } from './probe.js';
import { REGISTRY_HEADER } from './registry-proof.js';
import { RELAY_HEADER, type Forwarding, type Signatures } from './signature.js';

/** Answer to what is not a node's request, with the header by which a node tells it from an engine's answer. */
const REFUSAL = { 'Content-Length': 0, Connection: 'close', [RELAY_HEADER]: 'refused' } as const;

/** Milliseconds that a connection may be open without a whole request line and headers on it. */
const HEADERS_TIMEOUT = 5_000;
/** Milliseconds between two looks at that. */
const CHECK_INTERVAL = 1_000;

/**
 * How the server is made. What the first node has let in is let in here: headers grow on the way, and `Host` was asked for
 * there where it has to be. Connections stay open between requests: it is the other node that ends them, so that no request
 * meets a closing one.
 */
const SERVER_OPTIONS = {
  keepAliveTimeout: 0,
  headersTimeout: HEADERS_TIMEOUT,
  connectionsCheckingInterval: CHECK_INTERVAL,
  maxHeaderSize: 4 * maxHeaderSize,
  requireHostHeader: false,
  noDelay: true,
};

/** What a {@link RelayPort} needs. */
export interface RelayPortOptions {
  /** Interface to listen on. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** A request that no node has signed came in. */
  onRefused(from: string): void;
  /** The proof that this node reaches the registry, for somebody's question; undefined when it does not. */
  proveReach(challenge: unknown): string | undefined;
}

/**
 * Where the requests arrive that other nodes hand over. It is on the internal network only, and takes nothing else than
 * what another node has signed for this one.
 */
export class RelayPort {
  received = 0;
  private readonly server: Server;
  private readonly engines = new Map<string, Engine>();
  /** Connections that are not HTTP's any more. */
  private readonly upgraded = new Set<Duplex>();
  private signatures: Signatures | null = null;

  constructor(private readonly options: RelayPortOptions) {
    this.server = createServer(SERVER_OPTIONS);
    // lest a client of thousands of headers pushes out our own
    this.server.maxHeadersCount = 0;
    this.server.on('request', this.onRequest);
    this.server.on('upgrade', this.onUpgrade);
  }

  /** Opens the port; gives its number. @throws what listening throws. */
  async listen(): Promise<number> {
    const { server } = this;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.options.port, this.options.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return (server.address() as AddressInfo).port;
  }

  /** From now on requests are taken. */
  accept(signatures: Signatures): void {
    this.signatures = signatures;
  }

  /** An engine to hand requests to, by the name that all nodes know it by. */
  add(name: string, engine: Engine): void {
    this.engines.set(name, engine);
  }

  /** Closes the port, and cuts what is open on it. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    for (const socket of this.upgraded) socket.destroy();
    await closed;
  }

  private readonly onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (isProbe(request)) {
      const proof = this.takesClients ? this.options.proveReach(request.headers[REGISTRY_HEADER]) : undefined;
      response.writeHead(204, { Connection: 'close', ...(proof !== undefined && { [REGISTRY_HEADER]: proof }) }).end();
      return;
    }
    const taken = this.take(request);
    if (taken === undefined) {
      response.writeHead(403, REFUSAL).end();
      return;
    }
    taken.engine.handleRelayed(request, response, taken.forwarding);
  };

  private readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', ignoreError);
    this.upgraded.add(socket);
    socket.on('close', () => this.upgraded.delete(socket));
    const taken = this.take(request);
    if (taken === undefined) {
      const lines = Object.entries(REFUSAL).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(`HTTP/1.1 403 Forbidden\r\n${lines.join('')}\r\n`, () => socket.destroy());
      return;
    }
    taken.engine.handleRelayedUpgrade(request, socket, head, taken.forwarding);
  };

  /** Whether clients that another node does not take are taken here. */
  private get takesClients(): boolean {
    return [...this.engines.values()].every((engine) => engine.takesSessions);
  }

  /** Checks who sends a request, and finds the engine it is for. */
  private take(request: IncomingMessage): { engine: Engine; forwarding: Forwarding } | undefined {
    const forwarding = this.signatures?.verify(request);
    const engine = forwarding && this.engines.get(forwarding.server);
    if (engine === undefined) {
      this.options.onRefused(request.socket.remoteAddress ?? '');
      return undefined;
    }
    this.received++;
    delete request.headers[RELAY_HEADER];
    return { engine, forwarding: forwarding! };
  }
}

function ignoreError(): void {
  // the connection is gone, and its 'close' does what there is to do
}
