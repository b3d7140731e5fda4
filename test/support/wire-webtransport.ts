import { createPacketDecoderStream } from 'engine.io-parser';
import { message, type WirePacket } from './wire-codec.js';
import { Queue } from './wire-queue.js';

/*
 * WebTransport without HTTP/3: two sessions in memory, of which each gets what the other writes. In what can be seen they are
 * as the W3C has them: closing ends both, and cuts what is on its way.
 */

export interface CloseInfo {
  closeCode: number;
  reason: string;
}

interface Stream {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
}

/** Bytes that wait in each direction before a writer has to. */
const WINDOW = 65_536;

const byBytes = { highWaterMark: WINDOW, size: (chunk: Uint8Array) => chunk.byteLength };

/** One end of a connection. */
export class MemorySession {
  readonly ready = Promise.resolve();
  readonly closed: Promise<CloseInfo>;
  readonly incomingBidirectionalStreams: ReadableStream<Stream>;
  /** Writers and readers that are in use: what the other side did not let go of. */
  readonly streams: Stream[] = [];
  peer!: MemorySession;
  private resolveClosed!: (info: CloseInfo) => void;
  private rejectClosed!: (error: Error) => void;
  private incoming!: ReadableStreamDefaultController<Stream>;
  private readonly controllers: TransformStreamDefaultController[] = [];
  private isClosed = false;

  constructor() {
    this.closed = new Promise((resolve, reject) => {
      this.resolveClosed = resolve;
      this.rejectClosed = reject;
    });
    this.closed.catch(() => {}); // those who care await it
    this.incomingBidirectionalStreams = new ReadableStream({
      start: (controller) => void (this.incoming = controller),
    });
  }

  createBidirectionalStream(): Promise<Stream> {
    const [up, down] = [this.oneWay(), this.oneWay()];
    this.peer.streams.push({ readable: up.readable, writable: down.writable });
    this.peer.incoming.enqueue(this.peer.streams.at(-1)!);
    return Promise.resolve({ readable: down.readable, writable: up.writable });
  }

  close({ closeCode = 0, reason = '' }: Partial<CloseInfo> = {}): void {
    this.end((session) => session.resolveClosed({ closeCode, reason }));
  }

  /** The network is gone. */
  lose(): void {
    this.end((session) => session.rejectClosed(new Error('connection lost')));
  }

  private end(tell: (session: MemorySession) => void): void {
    if (this.isClosed) return;
    for (const session of [this, this.peer]) {
      session.isClosed = true;
      for (const controller of session.controllers) controller.error(new Error('the session has ended'));
      try {
        session.incoming.close();
      } catch {
        // was closed by its reader
      }
      tell(session);
    }
  }

  private oneWay(): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({ start: (controller) => void this.controllers.push(controller) }, byBytes, byBytes);
  }
}

/** Two ends of one connection. */
export function memorySessions(): { client: MemorySession; server: MemorySession } {
  const [client, server] = [new MemorySession(), new MemorySession()];
  client.peer = server;
  server.peer = client;
  return { client, server };
}

/** A frame as a client writes it. */
export function frameOf(payload: string | Buffer): Buffer {
  // a frame of no bytes is an error on both sides
  const isBinary = Buffer.isBuffer(payload) && payload.length > 0;
  const bytes = isBinary ? payload : Buffer.from(Buffer.isBuffer(payload) ? 'b' : payload);
  const { length } = bytes;
  const header =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((bits) => (length >> bits) & 255)];
  header[0]! |= isBinary ? 0x80 : 0;
  return Buffer.concat([Buffer.from(header), bytes]);
}

/** A client of WebTransport without knowledge of Engine.IO beyond its frames, which the stock decoder reads. */
export class WebTransportClient {
  readonly packets = new Queue<WirePacket>();
  readonly closed: Promise<CloseInfo>;
  readonly opened: Promise<void>;
  private writer!: WritableStreamDefaultWriter<Uint8Array>;
  private reading: Promise<void> = Promise.resolve();
  private goOn: (() => void) | null = null;

  /** @param first the first packet. */
  constructor(
    readonly session: MemorySession,
    first: string,
  ) {
    this.closed = session.closed.catch(() => ({ closeCode: -1, reason: 'lost' }));
    this.opened = session.createBidirectionalStream().then(({ readable, writable }) => {
      this.writer = writable.getWriter();
      void this.read(readable);
      return this.writer.write(frameOf(first));
    });
    this.opened.catch(() => {}); // told by `closed`
  }

  async send(payload: string | Buffer): Promise<void> {
    await this.opened;
    // one that is cut is told by `closed`
    await this.writer.write(frameOf(payload)).catch(() => {});
  }

  /** Stops taking bytes off the stream. */
  pause(): void {
    this.reading = new Promise((resolve) => (this.goOn = resolve));
  }

  resume(): void {
    this.goOn?.();
  }

  private async read(readable: ReadableStream<Uint8Array>): Promise<void> {
    const reader = readable.pipeThrough(createPacketDecoderStream(Infinity, 'nodebuffer') as never).getReader();
    try {
      for (;;) {
        await this.reading;
        const { done, value } = (await reader.read()) as { done: boolean; value: WirePacket };
        if (done) return;
        await this.reading;
        this.packets.push(value.data instanceof Uint8Array ? message(Buffer.from(value.data)) : withoutNothing(value));
      }
    } catch {
      // the end of the session, which `closed` tells
    }
  }
}

function withoutNothing({ type, data }: WirePacket): WirePacket {
  return data === undefined || data === '' ? { type } : { type, data };
}
