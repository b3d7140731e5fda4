import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { InvalidOptionError } from './errors.js';
import type { Headers } from './headers.js';
import type { ResolvedOptions } from './options.js';
import type { EngineRequest } from './session.js';
import type { WebSocketConnection } from './transports/websocket.js';

/** Milliseconds after which a WebSocket is cut whose client does not answer our close frame. */
const CLOSE_TIMEOUT = 30_000;

/** What we use of a WebSocket server: `ws`'s has it, and those that copy it. */
interface WebSocketServerLike {
  handleUpgrade(request: EngineRequest, socket: Duplex, head: Buffer, callback: (webSocket: WebSocket) => void): void;
  on?(event: 'headers', listener: (lines: string[], request: EngineRequest) => void): unknown;
  close(): void;
}

/** Takes upgrade requests through the WebSocket handshake (RFC 6455, section 4.2). */
export class WebSocketAcceptor {
  private readonly server: WebSocketServerLike;
  /** Whether `ws` itself is below, whose frames may be written beside it. */
  private readonly isOwn: boolean;

  /** @throws InvalidOptionError when `wsEngine` is no WebSocket server class. */
  constructor(opts: ResolvedOptions, headers: Headers) {
    const wsEngine: unknown = opts.wsEngine ?? WebSocketServer;
    if (typeof wsEngine !== 'function') {
      throw new InvalidOptionError('wsEngine', 'must be a class with the interface of WebSocketServer of "ws"');
    }
    this.isOwn = wsEngine === WebSocketServer;
    this.server = new (wsEngine as new (options: object) => WebSocketServerLike)({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: opts.perMessageDeflate,
      maxPayload: opts.maxHttpBufferSize,
      maxFragments: opts.limits.maxFragments,
      maxBufferedChunks: opts.limits.maxBufferedChunks,
      closeTimeout: CLOSE_TIMEOUT,
    });
    this.server.on?.('headers', (lines, request) => headers.decorateUpgrade(lines, request));
  }

  /** @returns null when the request is no WebSocket handshake; it has been answered then. */
  accept(request: EngineRequest, socket: Duplex, head: Buffer): WebSocketConnection | null {
    let connection: WebSocketConnection | null = null;
    this.server.handleUpgrade(request, socket, head, (webSocket) => {
      const framesAreOurs = this.isOwn && webSocket.extensions === '';
      connection = { webSocket, socket: framesAreOurs ? socket : null };
    });
    return connection;
  }

  close(): void {
    this.server.close();
  }
}
