/*
 * `multipart/x-mixed-replace` (RFC 2046, 5.1), read as it comes. Parts are read by their Content-Length, which every part
 * has to have: their bytes may hold the boundary, and none has to be looked at twice. The bytes may be cut anywhere.
 */

/** What a parser delivers to. */
export interface PartSink {
  /** A whole part. The bytes are the receiver's. */
  part(contentType: string, body: Uint8Array<ArrayBuffer>): void;
  /** The closing boundary. */
  end(): void;
}

/** Bytes of a part: far above what a server sends, far below what hurts. */
const MAX_PART = 64 * 1024 * 1024;

/** Bytes of the lines before a part, and of a preamble. */
const MAX_HEAD = 4096;

const LF = 10;

/** Parses a multipart stream. */
export class MultipartParser {
  private readonly delimiter: string;
  /** The beginning of a line whose end has not come; latin1, as boundary and headers are ASCII. */
  private line = '';
  private headBytes = 0;
  private inPreamble = true;
  private inHeaders = false;
  private ended = false;
  private contentType = '';
  private contentLength = -1;
  private pieces: Uint8Array<ArrayBuffer>[] = [];
  /** Bytes that the body still lacks; -1: a line is being read. */
  private missing = -1;

  constructor(
    boundary: string,
    private readonly sink: PartSink,
  ) {
    this.delimiter = `--${boundary}`;
  }

  /**
   * Takes the next bytes.
   *
   * @throws Error when they are not multipart with lengths, or a part is longer than any that is sent.
   */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    let at = 0;
    while (at < bytes.length && !this.ended) {
      at = this.missing >= 0 ? this.readBody(bytes, at) : this.readLine(bytes, at);
    }
  }

  private readBody(bytes: Uint8Array<ArrayBuffer>, at: number): number {
    const end = Math.min(bytes.length, at + this.missing);
    if (end > at) this.pieces.push(bytes.subarray(at, end));
    this.missing -= end - at;
    if (this.missing === 0) this.endPart();
    return end;
  }

  private readLine(bytes: Uint8Array, at: number): number {
    const lineEnd = bytes.indexOf(LF, at);
    const end = lineEnd === -1 ? bytes.length : lineEnd;
    this.headBytes += end - at;
    if (this.headBytes > MAX_HEAD) throw new Error(`head of a part over ${MAX_HEAD} bytes`);
    for (let i = at; i < end; i++) this.line += String.fromCharCode(bytes[i]!);
    if (lineEnd === -1) return end;
    const line = this.line.endsWith('\r') ? this.line.slice(0, -1) : this.line;
    this.line = '';
    this.endLine(line);
    return end + 1;
  }

  private endLine(line: string): void {
    if (this.inHeaders) {
      if (line === '') this.beginBody();
      else this.readHeader(line);
    } else if (line === this.delimiter) {
      this.inPreamble = false;
      this.inHeaders = true;
      this.contentType = '';
      this.contentLength = -1;
    } else if (line === `${this.delimiter}--`) {
      this.ended = true;
      this.sink.end();
    } else if (line !== '' && !this.inPreamble) {
      throw new Error('no boundary after a part');
    }
  }

  private readHeader(line: string): void {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'content-type') this.contentType = value;
    else if (name === 'content-length') this.contentLength = /^\d{1,15}$/.test(value) ? Number(value) : -1;
  }

  private beginBody(): void {
    this.inHeaders = false;
    this.headBytes = 0;
    if (this.contentLength < 0 || this.contentLength > MAX_PART) throw new Error('part without a length that can be');
    this.missing = this.contentLength;
    if (this.missing === 0) this.endPart();
  }

  private endPart(): void {
    this.missing = -1;
    const { pieces } = this;
    this.pieces = [];
    // a copy in any case: the chunk that a part came in may be far larger, or the reader's own
    const body = new Uint8Array(this.contentLength);
    let at = 0;
    for (const piece of pieces) {
      body.set(piece, at);
      at += piece.length;
    }
    this.sink.part(this.contentType, body);
  }
}
