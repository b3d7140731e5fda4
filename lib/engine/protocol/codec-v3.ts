import { isUtf8 } from 'node:buffer';
import type { Codec } from './codec.js';
import type { Packet } from './packet.js';
import { ERROR_PACKET, PACKET_DIGITS, PACKET_TYPES, toBuffer } from './packet.js';

/**
 * Protocol revision 3, spoken by Socket.IO 1.x and 2.x clients. Differences to revision 4: a binary packet carries its
 * type (byte or digit); a payload prefixes each packet with its length, in UTF-16 code units where the body is text
 * (`6:4hello2:4€`) and in bytes where it is binary (`00` text | `01` binary, the decimal digits of the length as bytes
 * 0 to 9, `FF`, data).
 *
 * @see https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v3.md
 */
export const codecV3: Codec = {
  version: 3,

  encodePacket(packet, supportsBinary) {
    const digit = PACKET_DIGITS[packet.type as 'message'];
    const { data } = packet;
    if (data === undefined) return digit;
    if (typeof data === 'string') return digit + data;
    const bytes = toBuffer(data);
    return supportsBinary
      ? Buffer.concat([Buffer.from([Number(digit)]), bytes])
      : `b${digit}${bytes.toString('base64')}`;
  },

  decodePacket(frame) {
    return typeof frame === 'string' ? decodeText(frame) : decodeBytes(frame);
  },

  encodePayload(packets, supportsBinary) {
    if (supportsBinary && packets.some(isBinary)) return encodeBinaryPayload(packets);
    // an empty payload still needs a body, or the client waits for one
    if (packets.length === 0) return '0:';
    let payload = '';
    for (const packet of packets) {
      const encoded = codecV3.encodePacket(packet, false) as string;
      payload += `${encoded.length}:${encoded}`;
    }
    return payload;
  },

  decodePayload(body) {
    return typeof body === 'string' ? decodeTextPayload(body) : decodeBinaryPayload(body);
  },
};

/** Longest decimal length we read: above this it cannot fit a body that Node would have buffered. */
const MAX_LENGTH_DIGITS = 10;

const DECIMAL = /^\d+$/;

const END_OF_LENGTH = 0xff;

function isBinary(packet: Packet): boolean {
  return packet.data !== undefined && typeof packet.data !== 'string';
}

function decodeText(frame: string): Packet {
  const isBase64 = frame.charCodeAt(0) === 0x62; // "b"
  const type = PACKET_TYPES[frame.charCodeAt(isBase64 ? 1 : 0) - 48];
  if (type === undefined) return ERROR_PACKET;
  if (isBase64) return { type, data: Buffer.from(frame.slice(2), 'base64') };
  return frame.length > 1 ? { type, data: frame.slice(1) } : { type };
}

function decodeUtf8(bytes: Buffer): Packet {
  return isUtf8(bytes) ? decodeText(bytes.toString()) : ERROR_PACKET;
}

function decodeBytes(frame: Buffer): Packet {
  const type = PACKET_TYPES[frame[0] ?? -1];
  return type === undefined ? ERROR_PACKET : { type, data: frame.subarray(1) };
}

function encodeBinaryPayload(packets: readonly Packet[]): Buffer {
  const chunks: Buffer[] = [];
  for (const packet of packets) {
    const encoded = codecV3.encodePacket(packet, true);
    const bytes = typeof encoded === 'string' ? Buffer.from(encoded) : encoded;
    const digits = String(bytes.length);
    const header = Buffer.allocUnsafe(digits.length + 2);
    header[0] = typeof encoded === 'string' ? 0 : 1;
    for (let i = 0; i < digits.length; i++) header[i + 1] = digits.charCodeAt(i) - 48;
    header[header.length - 1] = END_OF_LENGTH;
    chunks.push(header, bytes);
  }
  return Buffer.concat(chunks);
}

function decodeTextPayload(body: string): Packet[] {
  const packets: Packet[] = [];
  if (body === '') return [ERROR_PACKET];
  let start = 0;
  while (start < body.length) {
    // the search is bounded: the client controls the body, and an unbounded one would make a long body quadratic
    const colon = body.slice(start, start + MAX_LENGTH_DIGITS + 1).indexOf(':');
    const digits = body.slice(start, start + Math.max(colon, 0));
    const end = start + colon + 1 + Number(digits);
    if (!DECIMAL.test(digits) || end > body.length) return fail(packets);
    if (end > start + colon + 1) {
      const packet = decodeText(body.slice(start + colon + 1, end));
      packets.push(packet);
      if (packet.type === 'error') return packets;
    }
    start = end;
  }
  return packets;
}

function decodeBinaryPayload(body: Buffer): Packet[] {
  const packets: Packet[] = [];
  let start = 0;
  while (start < body.length) {
    const isText = body[start] === 0;
    let length = 0;
    let at = start + 1;
    while (body[at] !== END_OF_LENGTH) {
      const digit = body[at];
      if (digit === undefined || digit > 9 || at - start > MAX_LENGTH_DIGITS) return fail(packets);
      length = length * 10 + digit;
      at++;
    }
    const end = at + 1 + length;
    if (body[start]! > 1 || at === start + 1 || end > body.length) return fail(packets);
    const bytes = body.subarray(at + 1, end);
    const packet = isText ? decodeUtf8(bytes) : decodeBytes(bytes);
    packets.push(packet);
    if (packet.type === 'error') return packets;
    start = end;
  }
  return packets.length > 0 ? packets : fail(packets);
}

function fail(packets: Packet[]): Packet[] {
  packets.push(ERROR_PACKET);
  return packets;
}
