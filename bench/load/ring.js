/** Messages made beforehand, laid end to end. */

/** Distinct messages of a ring; their numbers start here, so that all have the same length. */
export const FIRST = 1000;
export const DISTINCT = 1000;

/** @returns a ring of what `make` gives for each number. */
export function ringOf(make, separator = 0, distinct = DISTINCT) {
  return new Ring(
    Array.from({ length: distinct }, (_, i) => make(FIRST + i)),
    separator,
  );
}

/**
 * Messages of equal length end to end, twice over, so that any run of up to as many of them is one slice. The last
 * `separator` bytes of a message stand between messages only.
 */
export class Ring {
  constructor(messages, separator = 0) {
    this.separator = separator;
    this.distinct = messages.length;
    this.size = messages[0].length;
    if (messages.some((message) => message.length !== this.size)) throw new Error('messages differ in length');
    this.bytes = Buffer.concat([...messages, ...messages]);
  }

  /** The bytes of `count` messages, beginning with number `from`. */
  slice(from, count) {
    const start = (from % this.distinct) * this.size;
    return this.bytes.subarray(start, start + count * this.size - this.separator);
  }

  /** How many messages the first `length` of `bytes` are when they are exactly those from number `from` on; else 0. */
  match(from, bytes, length = bytes.length) {
    const count = (length + this.separator) / this.size;
    if (!Number.isInteger(count) || count > this.distinct) return 0;
    return this.#equals(from, 0, bytes, length) ? count : 0;
  }

  /** Whether `bytes` go on where the first `partial` bytes of message `from` end. */
  continues(from, partial, bytes, length = bytes.length) {
    return partial + length <= this.distinct * this.size && this.#equals(from, partial, bytes, length);
  }

  #equals(from, partial, bytes, length) {
    const start = (from % this.distinct) * this.size + partial;
    return bytes.compare(this.bytes, start, start + length, 0, length) === 0;
  }
}
