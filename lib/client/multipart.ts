import { MultipartParser } from './multipart-parser.js';
import { fetchStream, type Stream, type StreamRequest, type StreamSink } from './stream.js';
import { StreamingTransport } from './streaming-transport.js';

const BOUNDARY = /^multipart\/x-mixed-replace\s*;.*\bboundary="?([^";]{1,70})/i;

/**
 * Multipart streaming, for `transports` of engine.io-client and socket.io-client: a `multipart/x-mixed-replace` response
 * read by fetch. Binary messages come down as they are, without base64.
 *
 * Needs `fetch` with streams: every browser since 2020, Node 20. Of the client's options for Node it knows `extraHeaders`
 * and `withCredentials`, not `agent`, certificates and `autoUnref`.
 */
export class MultipartTransport extends StreamingTransport {
  override get name(): 'multipart' {
    return 'multipart';
  }

  protected override read(request: StreamRequest, sink: StreamSink): Stream {
    const reader = (contentType: string): MultipartParser | null => {
      const boundary = BOUNDARY.exec(contentType)?.[1];
      return boundary === undefined
        ? null
        : new MultipartParser(boundary, { part: (type, body) => readPart(sink, type, body), end: sink.plannedEnd });
    };
    return fetchStream(request, reader, sink);
  }
}

function readPart(sink: StreamSink, contentType: string, body: Uint8Array<ArrayBuffer>): void {
  if (contentType === 'application/octet-stream') sink.binary(body.buffer);
  else if (contentType === 'application/json') sink.packets(decode(body), body.length);
  else if (contentType === 'text/x-nestwire-seq') sink.position(Number(decode(body)));
  else sink.payload(decode(body), body.length);
}

function decode(body: Uint8Array<ArrayBuffer>): string {
  // a byte order mark at the beginning of a message is part of the message
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(body);
}
