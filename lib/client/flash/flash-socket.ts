import { Transport } from 'engine.io-client';
import { onPageHide, type PageHideEvent } from '../page-hide.js';
import { encodePacket, type Packet } from '../packets.js';
import { Timers } from '../timers.js';
import { createPlayer } from './player.js';
import { FlashWebSocket, type WebSocketSink } from './web-socket.js';

/** Options of the transport, in `transportOptions.flashsocket`. */
export interface FlashSocketOptions {
  /**
   * Address of `nestwire.swf`. It has to be of the page's own origin, for players let no other page use it. Default: the
   * server's own copy, below its path.
   */
  swf?: string;
  /** Milliseconds until the connection has to be open, the movie's loading included. Default 10,000. */
  openTimeout?: number;
}

/** The parts of engine.io-client's options that are used. */
interface Options extends FlashSocketOptions {
  readonly hostname: string;
  readonly port: string | number;
  readonly secure: boolean;
  readonly extraHeaders?: Record<string, string>;
}

/**
 * Flash socket, for `transports` of engine.io-client and socket.io-client: WebSocket over a TCP connection that a Flash movie
 * opens, where the browser has none of its own. Needs a Flash player, or the Ruffle emulator in its place.
 *
 * It carries no cookies, and knows no TLS. Of the client's options it knows `extraHeaders`.
 */
export class FlashSocketTransport extends Transport implements WebSocketSink {
  declare readonly setTimeoutFn: typeof setTimeout;
  declare readonly clearTimeoutFn: typeof clearTimeout;
  private webSocket: FlashWebSocket | null = null;
  private readonly timers: Timers<'open' | 'drain' | 'end'>;
  private readonly onPageHide = (event: PageHideEvent): void => {
    this.webSocket?.close(true);
    if (event.persisted) this.onClose({ description: 'the page went away' });
  };

  constructor(opts: any) {
    super(opts);
    this.timers = new Timers<'open' | 'drain' | 'end'>(this);
  }

  override get name(): 'flashsocket' {
    return 'flashsocket';
  }

  override doOpen(): void {
    const { openTimeout = 10_000 } = this.opts as unknown as Options;
    this.timers.start('open', openTimeout, () => this.onError('open timeout', undefined));
    try {
      this.connect();
    } catch (error) {
      // whoever opened it listens only when this has returned
      this.timers.start('open', 0, () => this.onError('flash socket error', error));
    }
  }

  override doClose(): void {
    this.webSocket?.close();
  }

  override write(packets: Packet[]): void {
    this.writable = false;
    const parts = packets.map((packet) => encoded(packet, this.supportsBinary));
    if (parts.every((part) => !(part instanceof Promise))) this.sendAll(parts as (string | Uint8Array)[]);
    else Promise.all(parts).then((all) => this.sendAll(all), (error: unknown) => this.onError('blob cannot be read', error)); // prettier-ignore
  }

  override onOpen(): void {
    this.timers.stop('open');
    onPageHide('add', this.onPageHide);
    super.onOpen();
  }

  override onClose(details?: any): void {
    this.release();
    super.onClose(details);
  }

  override onError(reason: string, description: unknown, context?: unknown): this {
    this.release();
    return super.onError(reason, description, context);
  }

  // What the WebSocket tells.

  opened(): void {
    this.onOpen();
  }

  message(data: string | ArrayBuffer): void {
    this.onData(data as string);
  }

  sent(): void {
    if (this.writable || this.readyState !== 'open') return;
    // the engine notes what it gave only after write()
    this.timers.start('drain', 0, () => {
      this.writable = true;
      this.emitReserved('drain');
    });
  }

  closed(): void {
    this.endSoon('the server closed the connection');
  }

  failed(problem: string): void {
    if (this.readyState === 'opening') this.onError('flash socket error', new Error(problem));
    else this.endSoon(problem);
  }

  /** Ends when what came with the end has been read: socket.io-client looks at a message in the next microtask. */
  private endSoon(description: string): void {
    this.timers.start('end', 0, () => this.onClose({ description }));
  }

  private connect(): void {
    const { hostname, port, secure, extraHeaders = {}, swf } = this.opts as unknown as Options;
    if (secure) throw new Error('a Flash socket knows no TLS');
    const url = new URL(this.createUri('http', this.query));
    const { location } = globalThis as { location?: { origin: string } };
    const target = {
      address: { host: hostname, port: Number(port) },
      host: url.host,
      path: url.pathname + url.search,
      origin: location?.origin,
      headers: extraHeaders,
    };
    this.webSocket = new FlashWebSocket(target, this, this);
    const movie = swf ?? new URL('nestwire.swf', `${url.origin}${url.pathname.replace(/\/?$/, '/')}`).href;
    this.webSocket.open((failed) => createPlayer(movie, failed));
  }

  private sendAll(parts: readonly (string | Uint8Array)[]): void {
    for (const part of parts) this.webSocket?.send(part);
  }

  private release(): void {
    this.timers.stopAll();
    onPageHide('remove', this.onPageHide);
    this.webSocket?.close();
    this.webSocket = null;
  }
}

function encoded(packet: Packet, supportsBinary: boolean): string | Uint8Array | Promise<string | Uint8Array> {
  const { data } = packet;
  if (supportsBinary && data instanceof ArrayBuffer) return new Uint8Array(data);
  if (supportsBinary && ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return encodePacket(packet);
}
