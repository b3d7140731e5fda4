import { utf8Length } from './packets.js';
import type { Stream, StreamRequest, StreamSink } from './stream.js';
import { StreamingTransport } from './streaming-transport.js';

/** What the document says in one post: what its elements are named and hold. `x` is the end of the document. */
type Marks = readonly (readonly [name: string, value: string])[];

/** The parts of a browser's frame that are used. */
interface Frame {
  src: string;
  hidden: boolean;
  referrerPolicy: string;
  readonly contentWindow: object | null;
  addEventListener(type: 'load', listener: () => void): void;
  remove(): void;
}

interface MessageEvent {
  readonly source: object | null;
  readonly origin: string;
  readonly data: unknown;
}

/** The parts of a browser's globals that are used. */
interface PageGlobals {
  readonly location: { readonly origin: string; readonly href: string };
  readonly document: {
    readonly readyState: string;
    readonly body: { append(frame: Frame): void };
    createElement(name: 'iframe'): Frame;
  };
  addEventListener(type: string, listener: (event: any) => void): void;
  removeEventListener(type: string, listener: (event: any) => void): void;
  setTimeout(callback: () => void, delay: number): number;
  clearTimeout(timer: number | undefined): void;
}

/** Bytes of an element beside what it holds. */
const ELEMENT = 16;

/**
 * Milliseconds that posts of a document may take longer than the event that says that it has ended: they come from another
 * process, if it is of another site.
 */
const LATE = 1000;

/**
 * The forever iframe, for `transports` of engine.io-client, socket.io-client and `connect()`: a hidden frame whose document
 * never ends. Pages only; POSTs go by `fetch`. It gets through where a proxy or a virus scanner lets documents pass and holds
 * back what scripts ask for.
 *
 * The page's policy has to allow the server in `frame-src` and `connect-src`. Cookies go along as the browser sends them
 * with a frame, whatever `withCredentials` says; `extraHeaders` are sent with POSTs only.
 */
export class HtmlFileTransport extends StreamingTransport {
  override get name(): 'htmlfile' {
    return 'htmlfile';
  }

  protected override read(request: StreamRequest, sink: StreamSink): Stream {
    return frameStream(globalThis as unknown as PageGlobals, request.uri, sink);
  }
}

function frameStream(page: PageGlobals, uri: string, sink: StreamSink): Stream {
  const { document, location } = page;
  const { origin } = new URL(uri, location.href);
  let frame: Frame | undefined;
  let timer: number | undefined;

  const onMessage = ({ source, origin: from, data }: MessageEvent): void => {
    if (frame === undefined || source !== frame.contentWindow || from !== origin) return;
    for (const [name, value] of data as Marks) {
      if (name === 'f') sink.packets(value, utf8Length(value) + ELEMENT);
      else if (name === 'n') sink.position(Number(value));
      else if (name === 'e') sink.plannedEnd();
      else sink.cut({ reason: 'the document ended' });
    }
  };
  // also of what is shown in the place of a document that could not be had
  const onEnd = (): void => {
    timer = page.setTimeout(() => sink.cut({ reason: 'no document' }), LATE);
  };
  const insert = (): void => {
    page.removeEventListener('load', insert);
    frame = document.createElement('iframe');
    frame.hidden = true;
    // the server has to know who asks, whatever the page's policy is
    frame.referrerPolicy = 'origin';
    frame.src = `${uri}&origin=${encodeURIComponent(location.origin)}`;
    frame.addEventListener('load', onEnd);
    page.addEventListener('message', onMessage);
    document.body.append(frame);
  };
  // before that, a frame that never ends would keep the page's own load event from coming
  if (document.readyState === 'complete') insert();
  else page.addEventListener('load', insert);
  return {
    close() {
      page.removeEventListener('load', insert);
      page.removeEventListener('message', onMessage);
      page.clearTimeout(timer);
      frame?.remove();
      frame = undefined;
    },
  };
}
