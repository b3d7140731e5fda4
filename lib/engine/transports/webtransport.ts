import { ERROR_PACKET } from '../protocol/packet.js';
import type { Packet } from '../protocol/packet.js';
import { refuse } from './answers.js';
import type { Transport, TransportInit, TransportRequest, TransportResponse, TransportSink } from './transport.js';
import { encodePackets, FrameDecoder, FrameError, type Frame } from './webtransport-frames.js';

/*
 * How it works: a session of HTTP/3 that somebody else accepted, and in it one stream for both directions, which the client
 * has opened. The packets of one flush are one write; while it is under way the transport is not writable, so whatever holds
 * the stream back (QUIC's flow control) holds the session back too.
 */

/** Milliseconds that what was written has to leave when a connection is closed. */
const CLOSE_TIMEOUT = 2_000;

/** Milliseconds between the end of the stream and that of its session, which would cut what is on its way. */
const LINGER = 100;

/** A stream of bytes in both directions. */
export interface WebTransportStream {
  readonly readable: { getReader(): WebTransportReader<Uint8Array> };
  readonly writable: { getWriter(): WebTransportWriter };
}

interface WebTransportReader<T> {
  read(): Promise<{ readonly done: boolean; readonly value?: T | undefined }>;
  cancel(reason?: unknown): Promise<unknown>;
  releaseLock(): void;
}

interface WebTransportWriter {
  readonly closed: Promise<unknown>;
  write(chunk: Uint8Array): Promise<unknown>;
  close(): Promise<unknown>;
  abort(reason?: unknown): Promise<unknown>;
  releaseLock(): void;
}

/** What is used of a session: the W3C's `WebTransport`, whose server side packages imitate. */
export interface WebTransportSession {
  readonly ready: Promise<unknown>;
  readonly closed: Promise<unknown>;
  readonly incomingBidirectionalStreams: { getReader(): WebTransportReader<WebTransportStream> };
  close(info?: { closeCode?: number; reason?: string }): void;
}

/** A session, and its stream once the client has opened it. */
export class WebTransportConnection {
  private reader: WebTransportReader<Uint8Array> | null = null;
  private writer: WebTransportWriter | null = null;
  private readonly decoder: FrameDecoder;
  private isClosing = false;
  private wasCut = false;
  private frames: Frame[] = [];
  /** What the decoder found wrong, after the frames that are left. */
  private problem: unknown = null;
  private readonly keep = (frame: Frame): void => void this.frames.push(frame);

  constructor(
    readonly session: WebTransportSession,
    limits: { readonly maxPayload: number; readonly maxChunks: number },
  ) {
    this.decoder = new FrameDecoder(limits.maxPayload, limits.maxChunks);
    // those who care listen too
    session.closed.then(noop, noop);
  }

  /** Whether its session was ended from here. */
  get isCut(): boolean {
    return this.wasCut;
  }

  /** Waits for the client's stream. @returns false when the session ended before. */
  async open(): Promise<boolean> {
    await this.session.ready;
    const streams = this.session.incomingBidirectionalStreams.getReader();
    const { done, value } = await streams.read();
    streams.releaseLock();
    if (done || value === undefined) return false;
    this.reader = value.readable.getReader();
    this.writer = value.writable.getWriter();
    this.writer.closed.then(noop, noop);
    return true;
  }

  /** The first frame; null: there is none. @throws FrameError */
  async first(): Promise<Frame | null> {
    while (this.frames.length === 0) {
      if (!(await this.fill())) return null;
    }
    return this.frames.shift()!;
  }

  /** Frames that have come; waits for some. Null at the end of the stream. @throws FrameError */
  async read(): Promise<readonly Frame[] | null> {
    if (this.frames.length === 0 && !(await this.fill())) return null;
    const { frames } = this;
    this.frames = [];
    return frames;
  }

  /** Reads a chunk. @returns whether there was one. */
  private async fill(): Promise<boolean> {
    if (this.problem !== null) throw this.problem;
    const { reader } = this;
    if (reader === null) return false;
    const { done, value } = await reader.read();
    if (done) return false;
    try {
      if (value !== undefined) this.decoder.push(value, this.keep);
    } catch (error) {
      // what came before it is good
      this.problem = error;
    }
    return true;
  }

  write(bytes: Uint8Array): Promise<unknown> {
    return this.writer === null ? Promise.reject(new Error('the session has ended')) : this.writer.write(bytes);
  }

  /** Ends the session when what was written has left, or after a time. */
  close(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    const { writer } = this;
    if (writer === null) {
      this.cut();
      return;
    }
    const timer = setTimeout(() => this.cut(), CLOSE_TIMEOUT).unref();
    writer.close().then(
      () => {
        clearTimeout(timer);
        setTimeout(() => this.cut(), LINGER).unref();
      },
      () => this.cut(),
    );
  }

  /** Ends the session at once. */
  cut(closeCode?: number, reason?: string): void {
    this.wasCut = true;
    const { reader, writer } = this;
    this.reader = null;
    this.writer = null;
    reader?.cancel().then(noop, noop);
    reader?.releaseLock();
    writer?.abort().then(noop, noop);
    writer?.releaseLock();
    try {
      this.session.close(closeCode === undefined ? undefined : { closeCode, reason: reason ?? '' });
    } catch {
      // it has ended already
    }
  }
}

/** WebTransport: one Engine.IO packet a frame, on one stream. */
export class WebTransportTransport implements Transport {
  readonly name: string;
  writable: boolean;
  /** Bytes of the write that is under way. */
  bufferedBytes: number;
  sink: TransportSink;
  private readonly connection: WebTransportConnection;
  private readonly init: TransportInit;
  private ended: boolean;
  private readonly onWritten = (): void => this.written();
  private readonly onFailed = (error: unknown): void => this.failed(error);

  constructor(name: string, init: TransportInit, connection: WebTransportConnection) {
    this.name = name;
    this.writable = true;
    this.bufferedBytes = 0;
    this.sink = init.sink;
    this.connection = connection;
    this.init = init;
    this.ended = false;
    connection.session.closed.then(
      // what it said last may still be read
      () => setImmediate(() => this.end('transport close')),
      (error: unknown) => this.end('transport error', error),
    );
    queueMicrotask(() => void this.read());
  }

  /** Clients of this transport do not look for a close packet: the end of the session tells them. */
  get carriesClose(): boolean {
    return false;
  }

  send(packets: Packet[]): void {
    const bytes = encodePackets(packets, this.init.codec, this.init.supportsBinary);
    this.writable = false;
    this.bufferedBytes = bytes.length;
    this.connection.write(bytes).then(this.onWritten, this.onFailed);
  }

  handleRequest(_request: TransportRequest, response: TransportResponse): void {
    refuse(response, 400);
  }

  close(): void {
    this.connection.close();
    this.end('transport close');
  }

  discard(): void {
    this.ended = true;
    this.connection.close();
  }

  abort(): void {
    this.ended = true;
    this.connection.cut();
  }

  nudge(): void {
    // nothing is ever parked here
  }

  private written(): void {
    this.bufferedBytes = 0;
    if (this.ended) return;
    this.writable = true;
    unhidden(() => this.sink.drained());
  }

  private async read(): Promise<void> {
    try {
      for (;;) {
        const frames = await this.connection.read();
        if (frames === null) break;
        for (const frame of frames) this.receive(frame);
        if (this.ended) return;
      }
      this.end('transport close');
    } catch (error) {
      if (error instanceof FrameError) this.arrived(ERROR_PACKET);
      else this.failed(error);
    }
  }

  private receive(frame: Frame): void {
    if (this.ended) return;
    const packet = this.init.codec.decodePacket(frame);
    if (packet.type === 'close') this.close();
    else this.arrived(packet);
  }

  private arrived(packet: Packet): void {
    if (!this.ended) unhidden(() => this.sink.packet(packet));
  }

  /** The stream broke; whether the session was closed in order is told by the session, and not always first. */
  private failed(error: unknown): void {
    this.writable = false;
    if (!this.ended) setTimeout(() => this.end('transport error', error), LINGER).unref();
  }

  private end(reason: 'transport close' | 'transport error', description?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.writable = false;
    unhidden(() => this.sink.closed(reason, description));
  }
}

/** Errors of the application's listeners are theirs to see, as uncaught exceptions: here they would be a promise's. */
function unhidden(run: () => void): void {
  try {
    run();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

function noop(): void {
  // what a promise says that nobody waits for
}
