/**
 * The bytes of one request body, as they come. A body is mostly one chunk, which is kept as it is. Where there are more they
 * are copied together at once: the client chooses how small they are, and each Buffer costs hundreds of bytes beside its
 * own. Takes up to twice the memory of its bytes.
 */
export class Body {
  /** Bytes so far. */
  length = 0;
  private buffer: Buffer | null = null;

  append(chunk: Buffer): void {
    const { buffer, length } = this;
    this.length += chunk.length;
    if (buffer === null) {
      this.buffer = chunk;
      return;
    }
    if (this.length <= buffer.length) {
      chunk.copy(buffer, length);
      return;
    }
    // the first chunk is full as well, so nothing is ever written into what Node handed out
    this.buffer = Buffer.allocUnsafe(2 * this.length);
    buffer.copy(this.buffer, 0, 0, length);
    chunk.copy(this.buffer, length);
  }

  /** All bytes so far. */
  bytes(): Buffer {
    return this.buffer === null ? Buffer.alloc(0) : this.buffer.subarray(0, this.length);
  }
}
