import { decodePacket, decodePayload } from 'engine.io-parser';
import type { Packet } from './packet.js';
import { ERROR_PACKET, PACKET_DIGITS, toBuffer } from './packet.js';
import { codecV3 } from './codec-v3.js';

/** Revisions of the Engine.IO protocol we speak. */
export type ProtocolVersion = 3 | 4;

/** Bytes or text of one packet or one payload on the wire. */
export type Encoded = string | Buffer;

/**
 * Packets to wire and back, for one protocol revision. Stateless. Decoding never throws: what cannot be read becomes
 * one {@link ERROR_PACKET}, and nothing after it is decoded.
 */
export interface Codec {
  readonly version: ProtocolVersion;
  /**
   * One packet for a transport that keeps message boundaries.
   *
   * @param supportsBinary false: binary data becomes base64 text.
   */
  encodePacket(packet: Packet, supportsBinary: boolean): Encoded;
  /** @param frame a Buffer for a binary frame, a string for a text frame. */
  decodePacket(frame: Encoded): Packet;
  /** Several packets for one HTTP body. */
  encodePayload(packets: readonly Packet[], supportsBinary: boolean): Encoded;
  decodePayload(body: Encoded): Packet[];
}

/** Between packets of a payload: ASCII "record separator". */
const SEPARATOR = '\x1e';

/**
 * Protocol revision 4. Encoding is written out here because the parser's encoder wants a callback a packet (a closure
 * on the hot path) and never calls it for an empty payload; decoding is engine.io-parser's.
 *
 * @see https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
 */
const codecV4: Codec = {
  version: 4,

  encodePacket(packet, supportsBinary) {
    const { data } = packet;
    if (typeof data === 'string') return PACKET_DIGITS[packet.type as 'message'] + data;
    if (data === undefined) return PACKET_DIGITS[packet.type as 'message'];
    const bytes = toBuffer(data);
    return supportsBinary ? bytes : 'b' + bytes.toString('base64');
  },

  decodePacket(frame) {
    return decodePacket(frame) as Packet;
  },

  encodePayload(packets) {
    let payload = '';
    for (let i = 0; i < packets.length; i++) {
      if (i > 0) payload += SEPARATOR;
      payload += codecV4.encodePacket(packets[i]!, false);
    }
    return payload;
  },

  decodePayload(body) {
    return typeof body === 'string' ? (decodePayload(body) as Packet[]) : [ERROR_PACKET];
  },
};

/** The codec of a protocol revision. */
export function codecFor(version: ProtocolVersion): Codec {
  return version === 4 ? codecV4 : codecV3;
}
