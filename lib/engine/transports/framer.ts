import type { Packet, WriteOptions } from '../protocol/packet.js';
import { chunkOf } from './chunks.js';
import type { Envelope } from './envelope.js';

/**
 * Length of data after which a frame is not made any longer. A frame is what is lost by a cut and sent again, so what
 * waited long must not become one frame that never gets through whole; and a client confirms at least as often.
 */
const FRAME_LENGTH = 64 * 1024;

/** Bytes up to which a frame is copied to leave in one chunk with others, and most bytes of such a chunk. */
const SMALL_FRAME = 4 * 1024;
const JOINED_CHUNK = 16 * 1024;

const framers = new WeakMap<Envelope, Framer>();

/** Packets to frames of one envelope. */
export class Framer {
  /** Frames of broadcasts: socket.io gives every session of one the same options object. */
  private readonly broadcasts = new WeakMap<WriteOptions, readonly Buffer[]>();
  /** The chunks that those were written as; null for frames that have not been, or are too large. */
  private readonly chunks = new WeakMap<readonly Buffer[], Buffer | null>();

  private constructor(private readonly envelope: Envelope) {}

  /** The one of an envelope, so that all clients of a transport share what was made of a broadcast. */
  static of(envelope: Envelope): Framer {
    let framer = framers.get(envelope);
    if (framer === undefined) {
      framer = new Framer(envelope);
      framers.set(envelope, framer);
    }
    return framer;
  }

  /** Packets of one write to frames, in order: a broadcast is a frame of its own, which all its receivers get. */
  frames(packets: readonly Packet[], supportsBinary: boolean): readonly Buffer[] {
    if (packets.length === 1) return this.framesOf(packets[0]!, supportsBinary);
    const frames: Buffer[] = [];
    let batch: Packet[] = [];
    let length = 0;
    for (const packet of packets) {
      const isBroadcast = broadcastOptions(packet) !== undefined;
      // a close packet stays with what it follows: the client is not to answer that
      const isFull = length >= FRAME_LENGTH && packet.type !== 'close';
      if (batch.length > 0 && (isBroadcast || isFull)) {
        frames.push(...this.envelope.frames(batch, supportsBinary));
        batch = [];
        length = 0;
      }
      if (isBroadcast) {
        frames.push(...this.framesOf(packet, supportsBinary));
      } else {
        batch.push(packet);
        length += dataLength(packet);
      }
    }
    if (batch.length > 0) frames.push(...this.envelope.frames(batch, supportsBinary));
    return frames;
  }

  /** What {@link frames} gave as one HTTP chunk: for a broadcast the same to all its receivers. Null when it is too large. */
  chunk(frames: readonly Buffer[]): Buffer | null {
    let chunk = this.chunks.get(frames);
    if (chunk) return chunk;
    const isShared = chunk === null;
    chunk = chunkOf(frames);
    if (isShared && chunk !== null) this.chunks.set(frames, chunk);
    return chunk;
  }

  private framesOf(packet: Packet, supportsBinary: boolean): readonly Buffer[] {
    const options = broadcastOptions(packet);
    if (options === undefined) return this.envelope.frames([packet], supportsBinary);
    let frames = this.broadcasts.get(options);
    if (frames === undefined) {
      frames = this.envelope.frames([packet], supportsBinary);
      this.broadcasts.set(options, frames);
      this.chunks.set(frames, null);
    }
    return frames;
  }
}

/** Frames of one write to the chunks that leave: small ones joined, a single one and large ones as they are. */
export function joinSmall(frames: readonly Buffer[]): readonly Buffer[] {
  if (frames.length < 2) return frames;
  const chunks: Buffer[] = [];
  let run: Buffer[] = [];
  let bytes = 0;
  for (const frame of frames) {
    const isSmall = frame.length <= SMALL_FRAME;
    if (run.length > 0 && !(isSmall && bytes + frame.length <= JOINED_CHUNK)) {
      chunks.push(join(run));
      run = [];
      bytes = 0;
    }
    if (isSmall) {
      run.push(frame);
      bytes += frame.length;
    } else {
      chunks.push(frame);
    }
  }
  if (run.length > 0) chunks.push(join(run));
  return chunks;
}

function join(frames: readonly Buffer[]): Buffer {
  return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
}

/** The options object that all receivers of a broadcast share; text only, for binary is not the same to all of them. */
function broadcastOptions({ data, options }: Packet): WriteOptions | undefined {
  return options?.wsPreEncodedFrame !== undefined && typeof data === 'string' ? options : undefined;
}

function dataLength({ data }: Packet): number {
  if (data === undefined) return 0;
  return typeof data === 'string' ? data.length : data.byteLength;
}
