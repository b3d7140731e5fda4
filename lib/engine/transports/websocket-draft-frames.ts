/*
 * Frames of draft-hixie-thewebsocketprotocol-76: a text is 00, its UTF-8, FF (which no UTF-8 has in it); the closing frame
 * is FF 00. The draft has clients skip other frames; nobody ever sent one but to attack, so here they are an error.
 */

const TEXT = 0x00;
const END = 0xff;

/** The closing frame. */
export const DRAFT_CLOSE: Buffer = Buffer.from([END, 0x00]);

/** A text as a frame. */
export function encodeDraftText(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(bytes + 2);
  frame[0] = TEXT;
  frame.write(text, 1, 'utf8');
  frame[bytes + 1] = END;
  return frame;
}

/** Who gets what was read. */
export interface DraftSink {
  text(bytes: Buffer): void;
  close(): void;
}

const STATE = { START: 0, TEXT: 1, CLOSING: 2, OVER: 3 } as const;

/** Reads frames from chunks that end anywhere. Holds one message at most, and of it `maxBytes` and `maxChunks`. */
export class DraftParser {
  private state: (typeof STATE)[keyof typeof STATE] = STATE.START;
  private chunks: Buffer[] = [];
  private bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly maxChunks: number,
    private readonly sink: DraftSink,
  ) {}

  /** @returns what is wrong, after which nothing more is read; null while all is well. */
  push(chunk: Buffer): string | null {
    let at = 0;
    while (at < chunk.length) {
      switch (this.state) {
        case STATE.START: {
          const type = chunk[at++]!;
          if (type === TEXT) this.state = STATE.TEXT;
          else if (type === END) this.state = STATE.CLOSING;
          else return this.fail(`frame of type ${type}, which is not text`);
          break;
        }
        case STATE.TEXT: {
          const end = chunk.indexOf(END, at);
          const problem = this.keep(chunk.subarray(at, end < 0 ? chunk.length : end));
          if (problem !== null) return this.fail(problem);
          if (end < 0) return null;
          at = end + 1;
          const message = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks, this.bytes);
          this.reset();
          this.sink.text(message);
          break;
        }
        case STATE.CLOSING: {
          const length = chunk[at++]!;
          if (length !== 0) return this.fail('frame with a length, which is not text');
          this.state = STATE.OVER;
          this.sink.close();
          break;
        }
        default:
          // what follows the closing frame is nobody's
          return null;
      }
    }
    return null;
  }

  private keep(part: Buffer): string | null {
    if (part.length === 0) return null;
    this.bytes += part.length;
    if (this.bytes > this.maxBytes) return `message over ${this.maxBytes} bytes`;
    if (this.chunks.push(part) > this.maxChunks) return `message in more than ${this.maxChunks} chunks`;
    return null;
  }

  private fail(problem: string): string {
    this.reset();
    this.state = STATE.OVER;
    return problem;
  }

  private reset(): void {
    this.state = STATE.START;
    this.chunks = [];
    this.bytes = 0;
  }
}
