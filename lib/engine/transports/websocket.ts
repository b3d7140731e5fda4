import type { Duplex } from 'node:stream';
import type { RawData as WsData, WebSocket } from 'ws';
import type { Receiver } from '../inbox.js';
import type { Packet } from '../protocol/packet.js';
import { refuse } from './answers.js';
import type { Transport, TransportInit, TransportRequest, TransportResponse, TransportSink } from './transport.js';
import { encodeFrames } from './websocket-frames.js';

/*
 * How it works: `ws` did the handshake and reads frames; a text frame is a packet, a binary frame a binary message.
 * Outwards the frames of one flush are joined and written to the raw socket below ws in one write. That is sound because
 * ws writes its own frames (pong, close) synchronously and whole. Where frames are not ours to make (permessage-deflate
 * was negotiated, or another WebSocket implementation is in use) every packet goes through `ws.send`.
 *
 * Listeners are named functions that find their transport through a symbol: no closure is made per connection.
 */

const kTransport = Symbol('nestwire.transport');

interface OwnedWebSocket extends WebSocket {
  [kTransport]?: WebSocketTransport;
}

const NOTHING = Buffer.alloc(0);

/**
 * Packets of one WebSocket that wait for the end of the turn, at most. In one turn Node reads up to 2 MiB of a connection, which may
 * be hundreds of thousands of small frames: what is more is handled as it is read, and so are the promises of it.
 */
const MAX_UNHANDLED = 128;

/** `WebSocket.OPEN` of the WHATWG standard. */
const OPEN = 1;

/** How a WebSocket reaches its transport. */
export interface WebSocketConnection {
  readonly webSocket: WebSocket;
  /** The socket below, when frames may be written to it directly. */
  readonly socket: Duplex | null;
  /** Through which the WebSocket is closed. */
  readonly closer: WebSocketCloser;
  /** Whether it carries text only, so that binary data becomes base64. */
  readonly isTextOnly?: boolean;
}

/** Begins closing handshakes, and sees that they end. */
export interface WebSocketCloser {
  close(webSocket: WebSocket): void;
}

/** WebSocket (RFC 6455): one Engine.IO packet a frame. */
export class WebSocketTransport implements Transport, Receiver {
  readonly name: string;
  writable: boolean;
  sink: TransportSink;
  private readonly webSocket: OwnedWebSocket;
  private readonly socket: Duplex | null;
  private readonly closer: WebSocketCloser;
  private readonly init: TransportInit;
  private readonly supportsBinary: boolean;
  private ended: boolean;
  /** What was read in this turn. */
  private unhandled: Packet[] | null;

  constructor(name: string, init: TransportInit, { webSocket, socket, closer, isTextOnly }: WebSocketConnection) {
    this.name = name;
    this.writable = true;
    this.sink = init.sink;
    this.webSocket = webSocket;
    this.socket = socket;
    this.closer = closer;
    this.init = init;
    this.supportsBinary = init.supportsBinary && !isTextOnly;
    this.ended = false;
    this.unhandled = null;
    this.webSocket[kTransport] = this;
    webSocket.on('message', onMessage);
    webSocket.on('close', onClose);
    webSocket.on('error', onError);
  }

  /** The closing handshake of the WebSocket follows what was sent in any case. */
  get carriesClose(): boolean {
    return false;
  }

  get bufferedBytes(): number {
    return this.socket === null ? (this.webSocket.bufferedAmount ?? 0) : this.socket.writableLength;
  }

  send(packets: Packet[]): void {
    if (this.socket === null) {
      this.sendThroughWs(packets);
      return;
    }
    const { socket } = this;
    if (this.webSocket.readyState !== OPEN) {
      // the client's close frame is in; 'close' follows and ends the transport
      this.writable = false;
      return;
    }
    const chunks = encodeFrames(packets, this.init.codec, this.supportsBinary);
    if (chunks.length === 1) {
      write(socket, chunks[0]!);
    } else {
      socket.cork();
      for (const chunk of chunks) write(socket, chunk);
      socket.uncork();
    }
    // mostly the kernel took it all within the call; only where it did not is there something to wait for
    if (socket.writableLength > 0) {
      this.writable = false;
      socket.write(NOTHING, () => this.drain());
    } else {
      this.sink.drained();
    }
  }

  handleRequest(_request: TransportRequest, response: TransportResponse): void {
    refuse(response, 400);
  }

  close(): void {
    this.closer.close(this.webSocket);
    this.end('transport close');
  }

  discard(): void {
    this.ended = true;
    this.closer.close(this.webSocket);
  }

  abort(): void {
    this.ended = true;
    this.webSocket.terminate();
  }

  nudge(): void {
    // nothing is ever parked here
  }

  /** @internal */
  drain(): void {
    if (this.ended) return;
    this.writable = true;
    this.sink.drained();
  }

  /** @internal */
  receive(data: WsData, isBinary: boolean): void {
    if (this.ended) return;
    // ws hands out Buffers (binaryType "nodebuffer"); text was checked to be UTF-8
    const frame = isBinary ? (data as Buffer) : (data as Buffer).toString();
    const packet = this.init.codec.decodePacket(frame);
    const { inbox } = this.init.host;
    if (this.unhandled === null) {
      this.unhandled = [packet];
      inbox.add(this);
    } else {
      inbox.count();
      if (this.unhandled.push(packet) >= MAX_UNHANDLED) this.deliver();
    }
  }

  get hasUnhandled(): boolean {
    return this.unhandled !== null;
  }

  deliver(): void {
    const packets = this.unhandled;
    if (packets === null) return;
    this.unhandled = null;
    let done = 0;
    try {
      while (done < packets.length && !this.ended) {
        const packet = packets[done++]!;
        if (packet.type === 'close') this.close();
        else this.sink.packet(packet);
      }
    } finally {
      if (done < packets.length && !this.ended) this.unhandled = packets.slice(done);
    }
  }

  /** @internal */
  end(reason: 'transport close' | 'transport error', description?: unknown): void {
    if (this.ended) return;
    try {
      // what had come before
      this.deliver();
    } finally {
      this.over(reason, description);
    }
  }

  private over(reason: 'transport close' | 'transport error', description?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.writable = false;
    this.sink.closed(reason, description);
  }

  private sendThroughWs(packets: Packet[]): void {
    this.writable = false;
    const last = packets.length - 1;
    for (let i = 0; i <= last; i++) {
      const packet = packets[i]!;
      const data = this.init.codec.encodePacket(packet, this.supportsBinary);
      this.webSocket.send(data, i === last ? (error) => this.sent(error) : undefined);
    }
  }

  private sent(error?: Error | null): void {
    // a failed write is followed by 'error' or 'close', which end the transport
    if (!error) this.drain();
  }
}

function write(socket: Duplex, chunk: string | Buffer): void {
  if (typeof chunk === 'string') socket.write(chunk, 'latin1');
  else socket.write(chunk);
}

function onMessage(this: OwnedWebSocket, data: WsData, isBinary: boolean): void {
  this[kTransport]!.receive(data, isBinary);
}

function onClose(this: OwnedWebSocket, code: number, reason: Buffer): void {
  this[kTransport]!.end('transport close', { code, reason: reason.toString() });
}

function onError(this: OwnedWebSocket, error: Error): void {
  this[kTransport]!.end('transport error', error);
}
