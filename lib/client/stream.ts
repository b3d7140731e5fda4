/** One response of a streaming transport, as the transport sees it. */
export interface Stream {
  /** Lets go of it; nothing is delivered after that. */
  close(): void;
}

/**
 * What a stream delivers to. Nothing comes after `plannedEnd` or `cut`.
 *
 * @package
 */
export interface StreamSink {
  /** The number of the next frame. */
  position(number: number): void;
  /** A frame: packets joined by 0x1E. */
  payload(text: string, bytes: number): void;
  /** A frame: a JSON array of packets. */
  packets(json: string, bytes: number): void;
  /** A frame: one binary message. */
  binary(data: ArrayBuffer): void;
  /** The mark of a planned end. */
  plannedEnd(): void;
  /** The stream ended without the mark, or never began. */
  cut(cause: StreamCut): void;
}

/**
 * Why there is no stream any more.
 *
 * @package
 */
export interface StreamCut {
  readonly reason: string;
  /** Status of an answer that is no stream, where it can be seen. */
  readonly status?: number;
  /** What was read cannot be understood: asking again would not help. */
  readonly isNonsense?: boolean;
}

/**
 * What reads the bytes of a response.
 *
 * @package
 */
export interface BytesReader {
  /** @throws Error when the bytes are not what they should be. */
  push(bytes: Uint8Array<ArrayBuffer>): void;
}

/**
 * Where a request goes, and with what.
 *
 * @package
 */
export interface StreamRequest {
  readonly uri: string;
  readonly init: RequestInit;
  /** Sees the headers of every answer. */
  answered(response: Response): void;
}

/**
 * Reads a response by `fetch`.
 *
 * @param reader gives what reads the bytes; null when the answer has another content type than expected.
 */
export function fetchStream(
  request: StreamRequest,
  reader: (contentType: string) => BytesReader | null,
  sink: StreamSink,
): Stream {
  const abort = new AbortController();
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    abort.abort();
  };
  const cut = (cause: StreamCut): void => {
    if (!isOpen) return;
    close();
    sink.cut(cause);
  };
  const read = async (): Promise<void> => {
    const response = await fetch(request.uri, { ...request.init, signal: abort.signal });
    request.answered(response);
    const parser = response.ok ? reader(response.headers.get('content-type') ?? '') : null;
    if (parser === null || response.body === null) {
      cut({ reason: `answer ${response.status}`, status: response.status });
      return;
    }
    const chunks = response.body.getReader();
    for (;;) {
      const { done, value } = await chunks.read();
      if (!isOpen) return;
      if (done) break;
      try {
        parser.push(value as Uint8Array<ArrayBuffer>);
      } catch (error) {
        cut({ reason: String(error), isNonsense: true });
        return;
      }
    }
    cut({ reason: 'response ended' });
  };
  read().catch((error: unknown) => cut({ reason: String(error) }));
  return { close };
}

/** Milliseconds to wait before another try, after a number of failures in a row; spread, so that clients do not come at once. */
export function backOff(failures: number): number {
  if (failures <= 1) return 0;
  return Math.min(100 * 2 ** (failures - 2), 5000) * (0.5 + Math.random() / 2);
}

/** Whether an answer says that the request may do better another time. */
export function isTemporary(status: number | undefined): boolean {
  return status === undefined || status >= 500 || status === 408 || status === 425 || status === 429;
}
