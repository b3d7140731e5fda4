/** Binary message data as applications hand it in; it always arrives as a `Buffer`. */
export type BinaryData = Buffer | ArrayBuffer | ArrayBufferView;

/** What a message packet carries. */
export type RawData = string | BinaryData;

/**
 * Packet types of the Engine.IO protocol; `error` never travels: it is what a codec makes of bytes it cannot read.
 *
 * @see https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
 */
export type PacketType = 'open' | 'close' | 'ping' | 'pong' | 'message' | 'upgrade' | 'noop' | 'error';

/**
 * Options of one write. In a broadcast socket.io passes **one** object to every session, so it is read only here
 * and may serve as the key of what was encoded once for all of them.
 */
export interface WriteOptions {
  /** Whether an HTTP transport may compress the body. Default true. */
  compress?: boolean;
  /** Set by socket.io for packets that may be dropped; decided above the engine. */
  volatile?: boolean;
  /** Set by socket.io when the packet is already a string or a Buffer. */
  preEncoded?: boolean;
  /** A whole unmasked WebSocket frame (RFC 6455), header and payload, made once for a broadcast. */
  wsPreEncodedFrame?: readonly (Buffer | string)[];
}

/** One Engine.IO packet. */
export interface Packet {
  readonly type: PacketType;
  readonly data?: RawData;
  readonly options?: WriteOptions;
}

/** Packet types by their digit on the wire. */
export const PACKET_TYPES: readonly PacketType[] = ['open', 'close', 'ping', 'pong', 'message', 'upgrade', 'noop'];

/** Digit on the wire by packet type. */
export const PACKET_DIGITS: Readonly<Record<Exclude<PacketType, 'error'>, string>> = {
  open: '0',
  close: '1',
  ping: '2',
  pong: '3',
  message: '4',
  upgrade: '5',
  noop: '6',
};

/** What every codec returns for input it cannot read; the session then closes with "parse error". */
export const ERROR_PACKET: Packet = Object.freeze({ type: 'error', data: 'parser error' });

/** The bytes of a binary message as a Buffer, without copying them. */
export function toBuffer(data: BinaryData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return data instanceof ArrayBuffer ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
