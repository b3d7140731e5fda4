/** WebSocket frames made beforehand (RFC 6455 section 5). */
import { randomBytes } from 'node:crypto';

/** A client's frame: masked; text, or binary when it is a Buffer, unless `opcode` says otherwise. */
export function clientFrame(message, opcode = typeof message === 'string' ? 1 : 2) {
  const payload = Buffer.from(message);
  const mask = randomBytes(4);
  return Buffer.concat([
    header(0x80 | opcode, payload.length, 0x80),
    mask,
    payload.map((byte, i) => byte ^ mask[i & 3]),
  ]);
}

/** A server's frame: not masked. */
export function serverFrame(message) {
  const payload = Buffer.from(message);
  return Buffer.concat([header(typeof message === 'string' ? 0x81 : 0x82, payload.length, 0), payload]);
}

/** The frames of a message end to end. */
export const framesOf = (frame, message) => Buffer.concat([message].flat().map((part) => frame(part)));

function header(first, length, masked) {
  if (length < 126) return Buffer.from([first, masked | length]);
  if (length < 65_536) return Buffer.from([first, masked | 126, length >> 8, length & 255]);
  const bytes = Buffer.alloc(10);
  bytes[0] = first;
  bytes[1] = masked | 127;
  bytes.writeUInt32BE(length, 6);
  return bytes;
}

/** Where the frame at the beginning of `bytes` has its payload; null while that much is not there. */
export function readFrame(bytes) {
  if (bytes.length < 2) return null;
  const short = bytes[1] & 127;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return null;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : bytes.readUInt32BE(6);
  const end = start + length;
  return bytes.length < end ? null : { start, end };
}
