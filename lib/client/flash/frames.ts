import { ByteQueue } from './byte-queue.js';

/*
 * Frames of WebSocket as a client writes and reads them: RFC 6455, section 5.
 */

/** What a frame is. */
export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const CONTROL = 0x8;

const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_CONTROL = 125;
const MAX_LENGTH_16 = 65_535;

/** Codes of the closing frame: section 7.4.1. */
const PROTOCOL_ERROR = 1002;
const NO_CODE = 1005;
const NOT_UTF8 = 1007;
const TOO_BIG = 1009;

/** What the other side did wrong, and the code to tell it with. */
export class FrameError extends Error {
  constructor(
    readonly code: number,
    problem: string,
  ) {
    super(problem);
  }
}

/**
 * One whole frame.
 *
 * @param mask four bytes nobody can foretell: a page must not be able to choose what a proxy reads.
 */
export function encodeFrame(opcode: number, payload: Uint8Array, mask: Uint8Array): Uint8Array {
  const { length } = payload;
  const start = (length < LENGTH_16 ? 2 : length <= MAX_LENGTH_16 ? 4 : 10) + 4;
  const frame = new Uint8Array(start + length);
  const view = new DataView(frame.buffer);
  frame[0] = FIN | opcode;
  if (length < LENGTH_16) {
    frame[1] = MASKED | length;
  } else if (length <= MAX_LENGTH_16) {
    frame[1] = MASKED | LENGTH_16;
    view.setUint16(2, length);
  } else {
    frame[1] = MASKED | LENGTH_64;
    view.setUint32(2, Math.floor(length / 2 ** 32));
    view.setUint32(6, length);
  }
  frame.set(mask, start - 4);
  for (let i = 0; i < length; i++) frame[start + i] = payload[i]! ^ mask[i & 3]!;
  return frame;
}

/** Who gets what was read. */
export interface FrameSink {
  message(data: string | Uint8Array<ArrayBuffer>): void;
  ping(payload: Uint8Array): void;
  /** @param code 1005 when the other side told none. */
  close(code: number): void;
}

/** Reads frames of a server from chunks that end anywhere. */
export class FrameParser {
  private readonly queue = new ByteQueue();
  /** Parts of a message in fragments, and what it is. */
  private parts: Uint8Array[] = [];
  private partBytes = 0;
  private opcode = 0;
  private isOver = false;

  constructor(
    private readonly maxBytes: number,
    private readonly sink: FrameSink,
  ) {}

  /** @throws FrameError after which nothing may be read any more. */
  push(chunk: Uint8Array): void {
    this.queue.push(chunk);
    while (!this.isOver && this.readFrame()) {
      // one after the other
    }
  }

  private header: { first: number; length: number } | null = null;
  private start: Uint8Array | null = null;

  /** @returns whether there was a whole one. */
  private readFrame(): boolean {
    this.header ??= this.readHeader();
    if (this.header === null || this.queue.length < this.header.length) return false;
    const { first, length } = this.header;
    this.header = null;
    const payload = this.queue.take(length);
    const opcode = first & 0x0f;
    if (opcode & CONTROL) this.takeControl(opcode, payload);
    else this.takeData(opcode, payload, (first & FIN) !== 0);
    return true;
  }

  private readHeader(): { first: number; length: number } | null {
    const { queue } = this;
    if (this.start === null) {
      if (queue.length < 2) return null;
      this.start = queue.take(2);
    }
    const [first, second] = this.start as unknown as [number, number];
    this.check(first, second);
    let length = second;
    if (length >= LENGTH_16) {
      const size = length === LENGTH_16 ? 2 : 8;
      if (queue.length < size) return null;
      const view = new DataView(queue.take(size).buffer);
      length = size === 2 ? view.getUint16(0) : view.getUint32(0) * 2 ** 32 + view.getUint32(4);
    }
    this.start = null;
    if (this.partBytes + length > this.maxBytes) throw new FrameError(TOO_BIG, `message over ${this.maxBytes} bytes`);
    return { first, length };
  }

  private check(first: number, second: number): void {
    const opcode = first & 0x0f;
    const isWhole = (first & FIN) !== 0;
    if (first & RESERVED) throw new FrameError(PROTOCOL_ERROR, 'reserved bits, and no extension');
    if (second & MASKED) throw new FrameError(PROTOCOL_ERROR, 'masked frame of a server');
    if (opcode & CONTROL) {
      if (opcode > OPCODE.PONG) throw new FrameError(PROTOCOL_ERROR, `opcode ${opcode}`);
      if (!isWhole || second > MAX_CONTROL) throw new FrameError(PROTOCOL_ERROR, 'control frame in fragments, or long');
    } else if (opcode > OPCODE.BINARY) {
      throw new FrameError(PROTOCOL_ERROR, `opcode ${opcode}`);
    } else if ((opcode === OPCODE.CONTINUATION) !== (this.opcode !== 0)) {
      throw new FrameError(PROTOCOL_ERROR, 'fragments out of order');
    }
  }

  private takeControl(opcode: number, payload: Uint8Array<ArrayBuffer>): void {
    if (opcode === OPCODE.PING) this.sink.ping(payload);
    if (opcode !== OPCODE.CLOSE) return;
    this.isOver = true;
    this.sink.close(payload.length < 2 ? NO_CODE : new DataView(payload.buffer).getUint16(0));
  }

  private takeData(opcode: number, payload: Uint8Array<ArrayBuffer>, isLast: boolean): void {
    if (opcode !== OPCODE.CONTINUATION) this.opcode = opcode;
    this.parts.push(payload);
    this.partBytes += payload.length;
    if (!isLast) return;
    const whole = this.parts.length === 1 ? payload : joined(this.parts, this.partBytes);
    const isText = this.opcode === OPCODE.TEXT;
    this.parts = [];
    this.partBytes = 0;
    this.opcode = 0;
    this.sink.message(isText ? decode(whole) : whole);
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const queue = new ByteQueue();
  for (const part of parts) queue.push(part);
  return queue.take(bytes);
}

function decode(bytes: Uint8Array): string {
  try {
    // a byte order mark at the beginning of a message is part of the message
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FrameError(NOT_UTF8, 'text that is not UTF-8');
  }
}
