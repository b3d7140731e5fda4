import { EventEmitter } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Packet } from '../../lib/engine/protocol/packet.js';
import type {
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
  headersSent = false;
  destroyed = false;
  writableEnded = false;
  writableFinished = false;

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
    this.chunks.push(Buffer.from(chunk as string));
    return true;
  }

  end(chunk?: string | Uint8Array): this {
    if (this.writableEnded) throw new Error('ended twice');
    if (chunk !== undefined) this.write(chunk);
    this.writableEnded = true;
    this.writableFinished = true;
    this.emit('finish');
    this.emit('close');
    return this;
  }

  /** The client goes away. */
  cut(): void {
    this.destroyed = true;
    this.emit('close');
  }

  destroy(): void {
    this.cut();
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
    options: { maxHttpBufferSize: 100, httpCompression: false, maxPendingUpstreamBytes: 1000, ...options },
    pendingUpstreamBytes: 0,
    closing: false,
    decorateHeaders: (headers) => headers,
    limitExceeded: (limit) => exceeded.push(limit),
    exceeded,
  };
}
