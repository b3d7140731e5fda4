import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { isAnyArrayBuffer } from 'node:util/types';
import type { CloseReason } from './close-reason.js';
import type { Engine } from './engine.js';
import { FLUSH, type FlushTime } from './flusher.js';
import type { Pulse } from './heartbeat.js';
import type { ProtocolVersion } from './protocol/codec.js';
import type { Packet, PacketType, RawData, WriteOptions } from './protocol/packet.js';
import { quoted } from './request.js';
import { NOBODY, type Transport, type TransportEnd, type TransportSink } from './transports/transport.js';
import type { Upgrade } from './upgrade.js';

/** Where a session stands. */
export type ReadyState = 'opening' | 'open' | 'closing' | 'closed';

/** Called when a packet has left for the client, with the transport it left by. */
export type SendCallback = (transport: Transport) => void;

/** A request as the engine keeps it: node's, with the parsed query. */
export interface EngineRequest extends IncomingMessage {
  _query: Record<string, string>;
  /** Whether another node has handed it over. */
  isRelayed?: boolean;
}

/** Bytes that a waiting packet takes beside its data: a client that makes us answer much with little must not go uncounted. */
const PACKET_OVERHEAD = 100;

/** Bytes above which a session does not wait for the end of the turn to write. */
const FLUSH_EARLY_BYTES = 64 * 1024;

/**
 * One client, across transports; what socket.io calls `conn`.
 *
 * Packets that are sent within one turn of the event loop leave in one write at its end.
 *
 * Events: `open`, `packet` (Packet), `packetCreate` (Packet), `data` and `message` (string | Buffer), `heartbeat`,
 * `flush` (Packet[]), `drain`, `upgrading` (Transport), `upgrade` (Transport), `close` (CloseReason, description).
 */
export class Session extends EventEmitter implements TransportSink {
  readonly id: string;
  /** The engine that owns the session. */
  readonly server: Engine;
  /** The request of the handshake. */
  readonly request: EngineRequest;
  readonly protocol: ProtocolVersion;
  /** The client's address; behind proxies only with `trustProxy`. */
  readonly remoteAddress: string;
  /** The Origin that was let in at the handshake, if the client is a browser. */
  readonly origin: string | undefined;
  readyState: ReadyState;
  /** The transport in use now. */
  transport: Transport;
  /** Packets that wait for the end of the turn, or for the transport. */
  writeBuffer: Packet[];
  /** Whether the session has changed its transport. */
  upgraded: boolean;
  /** The change of transport that is under way. @internal */
  upgrade: Upgrade | null;
  /** @internal */
  awaits: FlushTime;
  private bufferedBytes: number;
  private flushing: boolean;
  private isSlowReader: boolean;
  private pulse: Pulse | null;
  private waitingCallbacks: SendCallback[] | null;
  private sentCallbacks: SendCallback[] | null;
  private drainWatchers: (() => void)[] | null;

  /** @internal Sessions are made by the engine. */
  constructor(
    id: string,
    server: Engine,
    transport: Transport,
    request: EngineRequest,
    protocol: ProtocolVersion,
    remoteAddress: string,
  ) {
    super();
    this.id = id;
    this.server = server;
    this.request = request;
    this.protocol = protocol;
    this.remoteAddress = remoteAddress;
    this.origin = request.headers.origin;
    this.readyState = 'opening';
    this.transport = transport;
    this.writeBuffer = [];
    this.upgraded = false;
    this.upgrade = null;
    this.awaits = FLUSH.NEVER;
    this.bufferedBytes = 0;
    this.flushing = false;
    this.isSlowReader = false;
    this.pulse = null;
    this.waitingCallbacks = null;
    this.sentCallbacks = null;
    this.drainWatchers = null;
    transport.sink = this;
  }

  /** Whether a change of transport is under way. */
  get upgrading(): boolean {
    return this.upgrade !== null;
  }

  /** Bytes that were sent and have not left this process yet, as `limits.maxBufferedBytes` counts them. */
  get waitingBytes(): number {
    return this.bufferedBytes + this.transport.bufferedBytes;
  }

  /**
   * Calls back, once, in the tick after the transport has got rid of something or another one has taken its place: look at
   * {@link waitingBytes}. Not any more once the session has ended.
   */
  onceDrained(callback: () => void): void {
    (this.drainWatchers ??= []).push(callback);
  }

  /** Takes a callback of {@link onceDrained} back, unless its tick has come. */
  offDrained(callback: () => void): void {
    this.drainWatchers = this.drainWatchers?.filter((one) => one !== callback) ?? null;
  }

  /** @internal Sends the handshake. */
  open(handshake: string, initialPacket: RawData | undefined): void {
    this.readyState = 'open';
    this.sendPacket('open', handshake);
    if (initialPacket !== undefined) this.sendPacket('message', initialPacket);
    this.emit('open');
    this.pulse = this.server.heartbeat.start(this);
  }

  /**
   * Sends a message. On a session that is closing or closed nothing happens, as in Engine.IO.
   *
   * @param callback called when the message has left this process.
   */
  send(data: RawData, options?: WriteOptions | SendCallback, callback?: SendCallback): this {
    const message = typeof data === 'string' ? data : toRawData(data);
    if (typeof options === 'function') this.sendPacket('message', message, undefined, options);
    else this.sendPacket('message', message, options, callback);
    return this;
  }

  /** The same as {@link send}. */
  write(data: RawData, options?: WriteOptions | SendCallback, callback?: SendCallback): this {
    return this.send(data, options, callback);
  }

  /**
   * Closes the session, after what was sent before has left.
   *
   * @param discard true: at once, whatever still waits.
   */
  close(discard = false): void {
    if (this.readyState === 'closed') return;
    if (discard) {
      // packets of this turn were as good as sent to those who sent them
      this.flush();
      this.finish('forced close');
      return;
    }
    if (this.readyState !== 'open') return;
    this.readyState = 'closing';
    this.flush();
    // what could not leave now is waited for; flush() goes on from there
    if (this.readyState === 'closing' && this.writeBuffer.length === 0) this.transport.close();
  }

  /** Ends the session at once, cutting its connection: for a client that does not read, which no goodbye reaches. */
  giveUp(): void {
    this.isSlowReader = true;
    this.finish('transport error', new Error(`slow reader: ${this.waitingBytes} bytes were waiting`));
  }

  // What a transport delivers.

  /** For the transport: see TransportSink. */
  packet(packet: Packet): void {
    if (this.readyState !== 'open') return;
    this.emit('packet', packet);
    if (this.hasEnded()) return;
    switch (packet.type) {
      case 'message':
        this.server.heartbeat.heard(this.pulse!);
        this.emit('data', packet.data);
        this.emit('message', packet.data);
        break;
      case 'ping':
        this.beat(3);
        break;
      case 'pong':
        this.beat(4);
        break;
      case 'error':
        this.finish('parse error');
        break;
      default:
        this.server.heartbeat.heard(this.pulse!);
    }
  }

  /** For the transport: see TransportSink. */
  drained(): void {
    this.callWatchers();
    const callbacks = this.sentCallbacks;
    this.sentCallbacks = null;
    if (this.flushing) {
      // most writes are through at once; a callback that sends again must not grow the stack
      if (callbacks !== null) process.nextTick(callAll, callbacks, this.transport);
      return;
    }
    if (callbacks !== null) callAll(callbacks, this.transport);
    if (this.writeBuffer.length > 0) this.server.flusher.flushThisTurn(this);
  }

  /** For the transport: see TransportSink. */
  closed(reason: TransportEnd, description?: unknown): void {
    this.finish(this.readyState === 'closing' ? 'forced close' : reason, description);
  }

  // What the heartbeat calls.

  /** @internal */
  sendPing(): void {
    this.server.heartbeat.pinged(this.pulse!);
    this.sendPacket('ping');
  }

  /** @internal */
  pingTimedOut(): void {
    this.finish('ping timeout');
  }

  // What an upgrade calls.

  /** @internal Puts another transport in the place of the present one. */
  changeTransport(transport: Transport): void {
    const old = this.transport;
    old.deliver?.();
    if (this.hasEnded()) {
      // a listener has closed it at one of the last packets
      transport.discard();
      return;
    }
    old.sink = NOBODY;
    this.transport = transport;
    transport.sink = this;
    old.discard();
    this.upgraded = true;
    this.emit('upgrade', transport);
    this.flush();
    // what the old transport had not got rid of does not wait any more
    this.callWatchers();
    if (this.readyState === 'closing' && this.writeBuffer.length === 0) transport.close();
  }

  /** @internal Writes what waits, as far as the transport takes it. */
  flush(): void {
    if (!this.mayFlush()) return;
    this.emit('flush', this.writeBuffer);
    this.server.emit('flush', this, this.writeBuffer);
    // a listener may have sent, flushed or closed
    const packets = this.writeBuffer;
    if (!this.mayFlush()) return;
    this.writeBuffer = [];
    this.bufferedBytes = 0;
    if (this.waitingCallbacks !== null) {
      this.sentCallbacks =
        this.sentCallbacks === null ? this.waitingCallbacks : this.sentCallbacks.concat(this.waitingCallbacks);
      this.waitingCallbacks = null;
    }
    // told in one piece with what it follows, the client asks and answers nothing any more
    if (this.readyState === 'closing' && this.transport.carriesClose) packets.push({ type: 'close' });
    this.flushing = true;
    try {
      this.transport.send(packets);
    } finally {
      this.flushing = false;
    }
    this.emit('drain');
    this.server.emit('drain', this);
    if (this.readyState === 'closing' && this.writeBuffer.length === 0) this.transport.close();
  }

  /** Listeners may close the session under our hands; a method, so that no type narrowing hides it. */
  private hasEnded(): boolean {
    return this.readyState === 'closed';
  }

  private callWatchers(): void {
    const watchers = this.drainWatchers;
    if (watchers === null) return;
    this.drainWatchers = null;
    process.nextTick(callAll, watchers, this.transport);
  }

  private mayFlush(): boolean {
    return this.writeBuffer.length > 0 && this.readyState !== 'closed' && this.transport.writable;
  }

  private sendPacket(type: PacketType, data?: RawData, options?: WriteOptions, callback?: SendCallback): void {
    if (this.readyState === 'closing' || this.readyState === 'closed') return;
    const packet: Packet = { type, data, options };
    this.emit('packetCreate', packet);
    const size = data === undefined ? 0 : typeof data === 'string' ? data.length : data.byteLength;
    if (!this.account(size + PACKET_OVERHEAD)) return;
    this.writeBuffer.push(packet);
    if (callback !== undefined) {
      if (this.waitingCallbacks === null) this.waitingCallbacks = [callback];
      else this.waitingCallbacks.push(callback);
    }
    if (this.bufferedBytes > FLUSH_EARLY_BYTES) this.flush();
    if (options?.wsPreEncodedFrame === undefined) this.server.flusher.flushThisTurn(this);
    else this.server.flusher.flushWithBroadcasts(this);
  }

  /**
   * Counts bytes that are to wait. The limit is on what waits already, so that one message of any size can be sent.
   *
   * @returns false when the client reads too slowly, and was given up.
   */
  private account(bytes: number): boolean {
    const waiting = this.waitingBytes;
    const { maxBufferedBytes } = this.server.opts.limits;
    this.bufferedBytes += bytes;
    if (!(waiting > maxBufferedBytes)) return true;
    // without the id: whoever knows one owns the session, and logs are read by others
    this.server.limitExceeded(
      'maxBufferedBytes',
      `${waiting} bytes wait for a client at ${quoted(this.remoteAddress)}`,
    );
    this.giveUp();
    return false;
  }

  /** @param heartbeat the revision in which this direction is right. */
  private beat(heartbeat: ProtocolVersion): void {
    if (this.protocol !== heartbeat) {
      this.finish('transport error', new Error('invalid heartbeat direction'));
      return;
    }
    this.server.heartbeat.beat(this.pulse!);
    if (heartbeat === 3) this.sendPacket('pong');
    this.emit('heartbeat');
  }

  private finish(reason: CloseReason, description?: unknown): void {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    if (this.pulse !== null) this.server.heartbeat.stop(this.pulse);
    this.upgrade?.abandon();
    this.waitingCallbacks = null;
    this.sentCallbacks = null;
    this.drainWatchers = null;
    this.transport.sink = NOBODY;
    if (reason === 'ping timeout' || this.isSlowReader) this.transport.abort();
    else this.transport.discard();
    this.server.forget(this);
    this.emit('close', reason, description);
    // 'close' listeners may still look at what could not be sent
    this.writeBuffer = [];
  }
}

function callAll(callbacks: readonly SendCallback[], transport: Transport): void {
  for (const callback of callbacks) callback(transport);
}

/** What callers pass that the types do not allow is sent as text, as Engine.IO does; nothing is empty text. */
function toRawData(data: unknown): RawData {
  if (ArrayBuffer.isView(data) || isAnyArrayBuffer(data)) return data as RawData;
  return data === null || data === undefined ? '' : String(data);
}
