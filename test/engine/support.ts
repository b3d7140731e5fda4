import { EventEmitter } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http';
import { Deadlines } from '../../lib/engine/deadlines.js';
import { Flusher } from '../../lib/engine/flusher.js';
import { Inbox } from '../../lib/engine/inbox.js';
import type { Packet } from '../../lib/engine/protocol/packet.js';
import type {
  Confirmable,
  TransportHost,
  TransportRequest,
  TransportResponse,
  TransportSink,
} from '../../lib/engine/transports/transport.js';

/** A request that never saw a socket. */
export class FakeRequest extends EventEmitter implements TransportRequest {
  destroyed = false;

  constructor(
    readonly method = 'GET',
    readonly headers: Record<string, string> = {},
    readonly _query: Record<string, string> = {},
  ) {
    super();
  }

  /** Sends a body in these chunks, and ends. */
  body(...chunks: (string | Buffer)[]): void {
    for (const chunk of chunks) this.emit('data', Buffer.from(chunk as string));
    this.emit('end');
    this.emit('close');
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

/** A response that never saw a socket. */
export class FakeResponse extends EventEmitter implements TransportResponse {
  status = 0;
  headers: OutgoingHttpHeaders = {};
  chunks: Buffer[] = [];
  /** The very objects that were written. */
  written: (string | Uint8Array)[] = [];
  /** Whether the client does not read: `write()` returns false, and an end is not the end. */
  stalled = false;
  writableLength = 0;
  headersSent = false;
  destroyed = false;
  writableEnded = false;

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    if (this.headersSent) throw new Error('headers were sent already');
    this.headersSent = true;
    this.status = status;
    this.headers = headers;
    return this;
  }

  write(chunk: string | Uint8Array): boolean {
    if (this.writableEnded) throw new Error('write after end');
    this.written.push(chunk);
    this.chunks.push(Buffer.from(chunk as string));
    if (this.stalled) this.writableLength += chunk.length;
    return !this.stalled;
  }

  end(chunk?: string | Uint8Array): this {
    if (this.writableEnded) throw new Error('ended twice');
    if (chunk !== undefined) this.write(chunk);
    this.writableEnded = true;
    if (!this.stalled) this.leave();
    return this;
  }

  /** The client reads again all that was written. */
  drain(): void {
    this.stalled = false;
    this.writableLength = 0;
    if (this.writableEnded) this.leave();
    else this.emit('drain');
  }

  /** The client goes away. */
  cut(): void {
    this.destroyed = true;
    this.emit('close');
  }

  destroy(): void {
    this.cut();
  }

  private leave(): void {
    this.emit('finish');
    this.emit('close');
  }
}

/** Writes down what a transport delivers. */
export class RecordingSink implements TransportSink {
  readonly log: string[] = [];
  readonly packets: Packet[] = [];

  packet(packet: Packet): void {
    this.packets.push(packet);
    this.log.push(`packet ${packet.type}`);
  }

  drained(): void {
    this.log.push('drained');
  }

  closed(reason: string, description?: unknown): void {
    this.log.push(`closed: ${reason}${description instanceof Error ? ` (${description.message})` : ''}`);
  }
}

/** What a transport needs of its engine. */
export function fakeHost(
  options: Partial<TransportHost['options']> = {},
): TransportHost & { exceeded: string[]; closing: boolean } {
  const exceeded: string[] = [];
  return {
    options: {
      maxHttpBufferSize: 100,
      httpCompression: false,
      maxPendingUpstreamBytes: 1000,
      maxUnacknowledgedBytes: 1000,
      recycleBytes: 10_000,
      recycleInterval: 60_000,
      ...options,
    },
    unconfirmed: new Deadlines().queue<Confirmable>(10_000, (transport) => transport.unconfirmed()),
    unread: new Deadlines().queue<TransportResponse>(65_000, (response) => response.destroy()),
    inbox: new Inbox(new Flusher()),
    pendingUpstreamBytes: 0,
    closing: false,
    decorateHeaders: (headers) => headers,
    limitExceeded: (limit) => exceeded.push(limit),
    exceeded,
  };
}
