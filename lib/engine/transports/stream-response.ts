import type { OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { connectionBelow, lengthOf, writeChunk } from './chunks.js';
import { joinSmall, type Framer } from './framer.js';
import type { TransportResponse } from './transport.js';

const kStream = Symbol('nestwire.stream');

const NOTHING = Buffer.alloc(0);

/** Who writes into a stream, and hears of it until it has let go of it. */
export interface StreamOwner {
  /** The stream took all that was written. */
  drain(stream: StreamResponse): void;
  /** It ended without the owner, or is gone after the owner has ended it. */
  cut(stream: StreamResponse): void;
}

interface OwnedResponse extends TransportResponse {
  [kStream]?: StreamResponse;
}

/** One long response, into which frames are written as they come. */
export class StreamResponse {
  /** Whether it waits for `drain`. */
  isFull = false;
  readonly response: OwnedResponse;
  /** Bytes that were written. */
  bytes = 0;
  readonly since = performance.now();
  private readonly owner: StreamOwner;
  private readonly framer: Framer;
  /** Once the first bytes have gone there, where it may be written to. */
  private connection: Socket | null = null;

  constructor(response: TransportResponse, headers: OutgoingHttpHeaders, framer: Framer, owner: StreamOwner) {
    this.response = response;
    this.owner = owner;
    this.framer = framer;
    this.response[kStream] = this;
    // headers, prelude and what a new session has to say, at the end of this turn, leave in one piece
    response.cork?.();
    setImmediate(uncork, this);
    response.writeHead(200, headers);
    response.on('close', onClose);
    response.on('drain', onDrain);
  }

  write(text: string | Buffer): void {
    this.bytes += text.length;
    if (!this.response.write(text)) this.isFull = true;
  }

  writeFrames(frames: readonly Buffer[]): void {
    const { connection } = this;
    if (connection === null || frames.length === 0) {
      for (const chunk of joinSmall(frames)) this.write(chunk);
      return;
    }
    this.bytes += lengthOf(frames);
    if (writeChunk(connection, frames, this.framer.chunk(frames))) return;
    this.isFull = true;
    // the response is told of what was written through it, and of nothing else
    connection.write(NOTHING, (error) => {
      if (!error) this.drained();
    });
  }

  /** @internal */
  drained(): void {
    this.isFull = false;
    this.owner.drain(this);
  }

  /** @internal */
  closed(): void {
    this.owner.cut(this);
  }

  /** @internal */
  uncork(): void {
    this.response.uncork?.();
    // the head leaves with the first bytes
    if (this.bytes > 0) this.connection = connectionBelow(this.response);
  }
}

function uncork(stream: StreamResponse): void {
  stream.uncork();
}

function onDrain(this: OwnedResponse): void {
  this[kStream]!.drained();
}

function onClose(this: OwnedResponse): void {
  this[kStream]!.closed();
}
