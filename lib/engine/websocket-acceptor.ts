import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { InvalidOptionError } from './errors.js';
import type { Headers } from './headers.js';
import type { ResolvedOptions } from './options.js';
import type { TrustProxy } from './request.js';
import type { EngineRequest } from './session.js';
import type { WebSocketCloser, WebSocketConnection } from './transports/websocket.js';
import { acceptDraft, isDraft, MAX_DRAFT_BYTES, type DraftOptions } from './websocket-draft.js';

/** Milliseconds after which a WebSocket is cut whose client does not answer our close frame. */
const CLOSE_TIMEOUT = 30_000;

/** Milliseconds clients have for their side of the closing handshake when the engine ends. */
const CLOSING_GRACE = 500;

/** `WebSocket.CLOSED` of the WHATWG standard. */
const CLOSED = 3;

/** What we use of a WebSocket server: `ws`'s has it, and those that copy it. */
interface WebSocketServerLike {
  handleUpgrade(request: EngineRequest, socket: Duplex, head: Buffer, callback: (webSocket: WebSocket) => void): void;
  on?(event: 'headers', listener: (lines: string[], request: EngineRequest) => void): unknown;
  close(): void;
}

/** Takes upgrade requests through the WebSocket handshake: RFC 6455, section 4.2, and the one before it where it is on. */
export class WebSocketAcceptor {
  private readonly server: WebSocketServerLike;
  /** Whether `ws` itself is below, whose frames may be written beside it. */
  private readonly isOwn: boolean;
  private readonly closer = new ClosingWebSockets();
  /** Null: the draft is not spoken. */
  private readonly drafts: DraftOptions | null;

  /** @throws InvalidOptionError when `wsEngine` is no WebSocket server class. */
  constructor(
    opts: ResolvedOptions,
    private readonly headers: Headers,
    trust: TrustProxy | undefined,
  ) {
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
    const maxBytes = Math.min(opts.maxHttpBufferSize, MAX_DRAFT_BYTES);
    this.drafts = opts.drafts ? { maxBytes, maxChunks: opts.limits.maxBufferedChunks, trust, headers } : null;
  }

  /**
   * Takes a request through the handshake. One that is no WebSocket handshake is answered by the WebSocket server.
   *
   * @param confirm what has to hold when the connection is taken; throws a Refusal.
   * @param take gets the connection, before anything is read from it.
   */
  accept(
    request: EngineRequest,
    socket: Duplex,
    head: Buffer,
    confirm: () => void,
    take: (connection: WebSocketConnection) => void,
  ): void | Promise<void> {
    if (this.drafts !== null && isDraft(request))
      return this.acceptDraft(this.drafts, request, socket, head, confirm, take);
    confirm();
    // the answer to the handshake leaves together with the first packet
    socket.cork();
    this.server.handleUpgrade(request, socket, head, (webSocket) => {
      const framesAreOurs = this.isOwn && webSocket.extensions === '';
      this.headers.upgraded(request);
      take({ webSocket, socket: framesAreOurs ? socket : null, closer: this.closer });
    });
    // behind the flush that `take` has ordered
    setImmediate(uncork, socket);
  }

  close(): void {
    this.server.close();
    this.closer.endSoon();
  }

  private async acceptDraft(
    options: DraftOptions,
    request: EngineRequest,
    socket: Duplex,
    head: Buffer,
    confirm: () => void,
    take: (connection: WebSocketConnection) => void,
  ): Promise<void> {
    const draft = await acceptDraft(request, socket, head, options);
    this.headers.upgraded(request);
    if (draft === null) return;
    try {
      confirm();
    } catch (error) {
      // the answer has been given, so the end is all that can be told
      draft.terminate();
      throw error;
    }
    take({ webSocket: draft.asWebSocket(), socket: null, closer: this.closer, isTextOnly: true });
    draft.start();
  }
}

/** WebSockets whose closing handshake has begun: only those are kept track of, an open one costs nothing here. */
class ClosingWebSockets implements WebSocketCloser {
  private readonly closing = new Set<WebSocket>();

  close(webSocket: WebSocket): void {
    webSocket.close();
    if (webSocket.readyState === CLOSED || this.closing.has(webSocket)) return;
    this.closing.add(webSocket);
    webSocket.once('close', () => this.closing.delete(webSocket));
  }

  /** Cuts those that are not through after a grace: a server that ends does not wait for clients that do not answer. */
  endSoon(): void {
    setTimeout(() => {
      for (const webSocket of this.closing) webSocket.terminate();
    }, CLOSING_GRACE).unref();
  }
}

function uncork(socket: Duplex): void {
  socket.uncork();
}
