/** WebSocket frames made beforehand (RFC 6455 section 5), and rings of them. */
import { randomBytes } from 'node:crypto';

/** Distinct messages a ring holds; their numbers start at 1000, so that all have the same length. */
export const NUMBERS = Array.from({ length: 1000 }, (_, i) => 1000 + i);

/** A client's frame, text unless `opcode` says otherwise: masked. */
export function clientFrame(text, opcode = 1) {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  return Buffer.concat([
    header(0x80 | opcode, payload.length, 0x80),
    mask,
    payload.map((byte, i) => byte ^ mask[i & 3]),
  ]);
}

/** A server's text frame: not masked. */
export function serverFrame(text) {
  const payload = Buffer.from(text);
  return Buffer.concat([header(0x81, payload.length, 0), payload]);
}

function header(first, length, masked) {
  if (length > 65535) throw new Error('frame too long for this load generator');
  return Buffer.from(length < 126 ? [first, masked | length] : [first, masked | 126, length >> 8, length & 255]);
}

/**
 * Frames of equal length end to end, twice over, so that any run of up to `NUMBERS.length` of them is one slice. The last
 * `separator` bytes of a frame stand between frames only.
 */
export class Ring {
  constructor(frames, separator = 0) {
    this.separator = separator;
    this.size = frames[0].length;
    if (frames.some((frame) => frame.length !== this.size)) throw new Error('frames differ in length');
    this.bytes = Buffer.concat([...frames, ...frames]);
  }

  /** The bytes of `count` frames, beginning with number `from`. */
  slice(from, count) {
    const start = (from % NUMBERS.length) * this.size;
    return this.bytes.subarray(start, start + count * this.size - this.separator);
  }

  /** How many frames the first `length` of `bytes` are when they are exactly those from number `from` on; else 0. */
  match(from, bytes, length) {
    const count = (length + this.separator) / this.size;
    if (!Number.isInteger(count) || count > NUMBERS.length) return 0;
    const start = (from % NUMBERS.length) * this.size;
    return bytes.compare(this.bytes, start, start + length, 0, length) === 0 ? count : 0;
  }
}
