const NOTHING = Buffer.alloc(0);

/**
 * Most frames that are kept before a stream pauses, however small they are: a Buffer takes a hundred bytes beside its own.
 * Above the 7,282 of the smallest frames that make up the 64 KiB which a client may receive before it confirms.
 */
const MAX_FRAMES = 16 * 1024;

/**
 * Frames that a client has not confirmed, oldest first, and their numbers. Taking from the front moves an index; the array
 * is cut when half of it is free, so that both ends cost the same however many frames wait.
 */
export class Unacknowledged {
  /** Number of the next frame that is sent; the first of a session is 1. */
  next = 1;
  /** Bytes of the frames that are kept. */
  bytes = 0;
  private frames: Buffer[] = [];
  private front = 0;
  /** Number of the oldest frame that is kept. */
  private oldest = 1;

  push(frame: Buffer): void {
    this.frames.push(frame);
    this.bytes += frame.length;
    this.next++;
  }

  /**
   * The client has every frame up to and with this one.
   *
   * @returns false when it confirms what was not sent.
   */
  confirm(number: number): boolean {
    if (!Number.isSafeInteger(number) || number < 0 || number >= this.next) return false;
    while (this.oldest <= number) {
      this.bytes -= this.frames[this.front]!.length;
      // a place that waits to be cut must not hold the bytes
      this.frames[this.front] = NOTHING;
      this.front++;
      this.oldest++;
    }
    if (this.front === this.frames.length) {
      this.frames = [];
      this.front = 0;
    } else if (this.front > 32 && this.front * 2 > this.frames.length) {
      this.frames = this.frames.slice(this.front);
      this.front = 0;
    }
    return true;
  }

  /** Whether more may be sent before a confirmation. */
  leavesRoom(maxBytes: number): boolean {
    return this.bytes < maxBytes && this.next - this.oldest < MAX_FRAMES;
  }

  /** Number of the first frame that is not confirmed; `next` when all are. */
  get first(): number {
    return this.oldest;
  }

  /** Lets go of all frames; for the end of the session. */
  clear(): void {
    this.frames = [];
    this.front = 0;
    this.bytes = 0;
    this.oldest = this.next;
  }

  /** All that is not confirmed, in order. */
  pending(): readonly Buffer[] {
    return this.front === 0 ? this.frames : this.frames.slice(this.front);
  }
}

/** The number of a frame, or of a POST, as the wire writes it: decimal digits. NaN for anything else. */
export function parseCount(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}
