import { utf8Length } from './packets.js';
import { SseParser } from './sse-parser.js';
import { fetchStream, type Stream, type StreamRequest, type StreamSink } from './stream.js';
import { StreamingTransport } from './streaming-transport.js';

/** The parts of a browser's EventSource that are used. */
interface NativeEventSource {
  addEventListener(type: string, listener: (event: { data: string }) => void): void;
  close(): void;
}

type EventSourceClass = new (url: string, init: { withCredentials: boolean }) => NativeEventSource;

const TYPES = ['message', 'j', 'seq', 'end'] as const;

/**
 * Server-sent events, for `transports` of engine.io-client and socket.io-client. The browser's `EventSource` reads them;
 * where there is none (Node), and with `extraHeaders`, which it cannot send, `fetch` does.
 *
 * Of the client's options for Node it knows `extraHeaders` and `withCredentials`, not `agent`, certificates and `autoUnref`.
 */
export class EventSourceTransport extends StreamingTransport {
  override get name(): 'eventsource' {
    return 'eventsource';
  }

  protected override read(request: StreamRequest, sink: StreamSink): Stream {
    const Native = (globalThis as unknown as { EventSource?: EventSourceClass }).EventSource;
    if (Native !== undefined && !this.opts.extraHeaders) {
      return nativeStream(Native, request.uri, Boolean(this.opts.withCredentials), sink);
    }
    const reader = (contentType: string): SseParser | null =>
      /^text\/event-stream\b/i.test(contentType)
        ? new SseParser((type, data) => readEvent(sink, type, data, utf8Length(data)))
        : null;
    return fetchStream(request, reader, sink);
  }
}

function readEvent(sink: StreamSink, type: string, data: string, bytes: number): void {
  if (type === 'message') sink.payload(data, bytes);
  else if (type === 'j') sink.packets(data, bytes);
  else if (type === 'seq') sink.position(Number(data));
  else if (type === 'end') sink.plannedEnd();
}

/** By the browser's EventSource, which must not come again by itself: its URL may be that of a new session. */
function nativeStream(Native: EventSourceClass, uri: string, withCredentials: boolean, sink: StreamSink): Stream {
  const source = new Native(uri, { withCredentials });
  for (const type of TYPES) {
    source.addEventListener(type, ({ data }) => readEvent(sink, type, data, utf8Length(data)));
  }
  source.addEventListener('error', () => {
    source.close();
    sink.cut({ reason: 'EventSource error' });
  });
  return { close: () => source.close() };
}
