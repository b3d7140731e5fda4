import type { Codec } from '../protocol/codec.js';
import type { Packet, WriteOptions } from '../protocol/packet.js';

/**
 * Packets to unmasked WebSocket frames (RFC 6455, section 5.2), several frames to one chunk.
 *
 * ws frames and writes message by message: a header buffer, a payload buffer and a `writev` for each. A chat-sized
 * answer costs more in that write than in everything above it, so the frames of one flush are joined here and leave in
 * one write; see docs/decisions.md for what it brings.
 */

/** First byte of a whole text frame, and of a whole binary frame. */
const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;

/** Payload lengths from which the header has 2, then 8 bytes of length. */
const LENGTH_16 = 126;
const LENGTH_64 = 65_536;

/** Chunks up to this many bytes are joined by copying; above it, copying costs more than a second buffer in the write. */
const JOIN_BYTES = 64 * 1024;

/** Headers of short ASCII text frames, by payload length, as latin1 text. */
const SHORT_HEADERS: readonly string[] = Array.from({ length: LENGTH_16 }, (_, n) => String.fromCharCode(FIN_TEXT, n));

/** The frame of a broadcast, made once: socket.io gives every session the same options object. */
const broadcastFrames = new WeakMap<WriteOptions, Buffer>();

/** A chunk for `socket.write`: a string is latin1. */
export type FrameChunk = string | Buffer;

/**
 * Frames of all packets, ready to be written one chunk after the other; mostly it is one chunk.
 * Latin1 text where all is ASCII (its UTF-8 bytes are the same), since Node writes such a string without a buffer.
 */
export function encodeFrames(packets: readonly Packet[], codec: Codec, supportsBinary: boolean): FrameChunk[] {
  if (packets.length === 1) return encodeFrame(packets[0]!, codec, supportsBinary);
  let text = '';
  let buffers: Buffer[] | null = null;
  for (const packet of packets) {
    for (const chunk of encodeFrame(packet, codec, supportsBinary)) {
      if (typeof chunk === 'string') {
        text += chunk;
      } else {
        // text between buffers has to become one, to keep the order
        buffers ??= [];
        if (text !== '') buffers.push(Buffer.from(text, 'latin1'));
        text = '';
        buffers.push(chunk);
      }
    }
  }
  if (buffers === null) return [text];
  if (text !== '') buffers.push(Buffer.from(text, 'latin1'));
  const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
  return bytes <= JOIN_BYTES ? [Buffer.concat(buffers, bytes)] : buffers;
}

function encodeFrame(packet: Packet, codec: Codec, supportsBinary: boolean): FrameChunk[] {
  const { options } = packet;
  if (options?.wsPreEncodedFrame !== undefined) return [broadcastFrame(options, options.wsPreEncodedFrame)];
  const encoded = codec.encodePacket(packet, supportsBinary);
  return typeof encoded === 'string' ? [encodeText(encoded)] : encodeBinary(encoded);
}

function encodeText(text: string): FrameChunk {
  const { length } = text;
  if (length < LENGTH_16) {
    // the check is cheap for the one-byte strings V8 makes of ASCII
    if (Buffer.byteLength(text) === length) return SHORT_HEADERS[length] + text;
  } else if (length < LENGTH_64 && Buffer.byteLength(text) === length) {
    return String.fromCharCode(FIN_TEXT, LENGTH_16, length >>> 8, length & 0xff) + text;
  }
  const bytes = Buffer.byteLength(text);
  const start = headerLength(bytes);
  const frame = Buffer.allocUnsafe(start + bytes);
  writeHeader(frame, FIN_TEXT, bytes);
  frame.write(text, start, 'utf8');
  return frame;
}

function encodeBinary(bytes: Buffer): Buffer[] {
  const header = Buffer.allocUnsafe(headerLength(bytes.length));
  writeHeader(header, FIN_BINARY, bytes.length);
  return bytes.length <= JOIN_BYTES ? [Buffer.concat([header, bytes])] : [header, bytes];
}

function headerLength(payloadLength: number): number {
  return payloadLength < LENGTH_16 ? 2 : payloadLength < LENGTH_64 ? 4 : 10;
}

function writeHeader(target: Buffer, firstByte: number, payloadLength: number): void {
  target[0] = firstByte;
  if (payloadLength < LENGTH_16) {
    target[1] = payloadLength;
  } else if (payloadLength < LENGTH_64) {
    target[1] = LENGTH_16;
    target.writeUInt16BE(payloadLength, 2);
  } else {
    target[1] = LENGTH_16 + 1;
    // 64 bits, of which a JavaScript length never needs more than 48
    target.writeUInt16BE(0, 2);
    target.writeUIntBE(payloadLength, 4, 6);
  }
}

function broadcastFrame(options: WriteOptions, parts: readonly (Buffer | string)[]): Buffer {
  let frame = broadcastFrames.get(options);
  if (frame === undefined) {
    frame = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
    broadcastFrames.set(options, frame);
  }
  return frame;
}
