import type { Codec } from '../protocol/codec.js';
import type { Packet } from '../protocol/packet.js';

/*
 * Frames of Engine.IO over WebTransport: one byte, of which the highest bit says that the payload is binary and the others
 * are its length; 126 stands for a length in the next two bytes, 127 for one in the next eight, highest byte first.
 *
 * engine.io-parser has both directions as TransformStreams. They are not used: the decoder keeps any number of chunks, adds
 * their lengths up again for each, and copies byte by byte; the encoder turns an empty binary message into a frame of no
 * bytes, which its own decoder refuses. The tests hold both against each other.
 *
 * https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#webtransport
 */

const BINARY = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_LENGTH_16 = 65_535;

/** Payload of a frame: text, or a binary message. */
export type Frame = string | Buffer;

/** Bytes that are no frame, or one that is too large. */
export class FrameError extends Error {}

/** All packets, in one chunk. */
export function encodePackets(packets: readonly Packet[], codec: Codec, supportsBinary: boolean): Buffer {
  const parts: Buffer[] = [];
  for (const packet of packets) {
    const encoded = codec.encodePacket(packet, supportsBinary);
    const isBinary = typeof encoded !== 'string' && encoded.length > 0;
    // a frame of no bytes is an error: no bytes are written as base64
    const payload = isBinary ? encoded : Buffer.from(typeof encoded === 'string' ? encoded : 'b');
    parts.push(header(payload.length, isBinary), payload);
  }
  return Buffer.concat(parts);
}

function header(length: number, isBinary: boolean): Buffer {
  const flag = isBinary ? BINARY : 0;
  if (length < LENGTH_16) return Buffer.from([flag | length]);
  if (length <= MAX_LENGTH_16) return Buffer.from([flag | LENGTH_16, length >>> 8, length & 0xff]);
  const bytes = Buffer.alloc(9);
  bytes[0] = flag | LENGTH_64;
  bytes.writeBigUInt64BE(BigInt(length), 1);
  return bytes;
}

/** Reads frames from chunks that end anywhere. Holds the bytes of one frame at most, in a bounded number of chunks. */
export class FrameDecoder {
  private chunks: Buffer[] = [];
  private bytes = 0;
  /** Bytes of the payload; -1: the header has not come whole. */
  private expected = -1;
  private isBinary = false;

  constructor(
    private readonly maxPayload: number,
    private readonly maxChunks: number,
  ) {}

  /**
   * @param take gets each frame that is complete.
   * @throws FrameError after which nothing may be read any more.
   */
  push(chunk: Uint8Array, take: (frame: Frame) => void): void {
    if (chunk.length === 0) return;
    this.chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    this.bytes += chunk.length;
    if (this.chunks.length > this.maxChunks) throw new FrameError(`frame in more than ${this.maxChunks} chunks`);
    while (this.readHeader()) {
      if (this.bytes < this.expected) return;
      const payload = this.take(this.expected);
      this.expected = -1;
      take(this.isBinary ? payload : payload.toString());
    }
  }

  /** @returns whether the length of the next payload is known. */
  private readHeader(): boolean {
    if (this.expected >= 0) return true;
    if (this.bytes === 0) return false;
    const first = this.chunks[0]![0]!;
    const short = first & 0x7f;
    const size = short === LENGTH_16 ? 3 : short === LENGTH_64 ? 9 : 1;
    if (this.bytes < size) return false;
    const bytes = this.take(size);
    this.isBinary = (first & BINARY) !== 0;
    this.expected = size === 3 ? bytes.readUInt16BE(1) : size === 9 ? Number(bytes.readBigUInt64BE(1)) : short;
    if (this.expected === 0) throw new FrameError('frame of no bytes');
    if (this.expected > this.maxPayload) throw new FrameError(`frame over ${this.maxPayload} bytes`);
    return true;
  }

  /** Takes so many bytes from the front, of which there are enough. */
  private take(size: number): Buffer {
    const first = this.chunks[0]!;
    this.bytes -= size;
    if (first.length >= size) {
      if (first.length === size) this.chunks.shift();
      else this.chunks[0] = first.subarray(size);
      return first.subarray(0, size);
    }
    const taken = Buffer.concat(this.chunks, size);
    const rest = this.bytes;
    const last = this.chunks.at(-1)!;
    // there are never two chunks after a frame: the one before the last did not complete it
    this.chunks = rest > 0 ? [last.subarray(last.length - rest)] : [];
    return taken;
  }
}
