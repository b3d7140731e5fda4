/*
 * One timer for everything in an engine that waits. A queue holds items that all wait equally long, so the item that
 * came last is due last: a queue is a linked list that is appended to at its end and read at its head, and scheduling,
 * moving and cancelling cost a few assignments however many sessions there are.
 */

/** Share of a delay, and most milliseconds, that an item may be early, so that one wake-up serves all that are nearly due. */
const EARLY_SHARE = 0.01;
const EARLY_MS = 10;

/** The longest time a Node timer can wait; a longer one would go off at once, and again and again. */
const MAX_TIMER = 2 ** 31 - 1;

/** The place of one item in a queue. */
export interface DeadlineEntry<T> {
  readonly item: T;
  /** Monotonic milliseconds. */
  due: number;
  /** The queue it stands in now, or null. */
  queue: DeadlineQueue<T> | null;
  previous: DeadlineEntry<T> | null;
  next: DeadlineEntry<T> | null;
}

/** An entry that is in no queue yet; one can serve its item for life, moving from queue to queue. */
export function deadlineEntry<T>(item: T): DeadlineEntry<T> {
  return { item, due: 0, queue: null, previous: null, next: null };
}

/** Items that wait equally long; made by {@link Deadlines.queue}. */
export class DeadlineQueue<T> {
  /** @internal */
  head: DeadlineEntry<T> | null = null;
  /** Milliseconds an item of this queue may be early. @internal */
  readonly early: number;
  private tail: DeadlineEntry<T> | null = null;

  /** @internal */
  constructor(
    private readonly owner: Deadlines,
    private readonly delay: number,
    /** @internal */
    readonly expire: (item: T) => void,
  ) {
    this.early = Math.min(delay * EARLY_SHARE, EARLY_MS);
  }

  /** Lets an entry wait the whole delay from now on, wherever it stood before. */
  schedule(entry: DeadlineEntry<T>): void {
    entry.queue?.cancel(entry);
    entry.due = performance.now() + this.delay;
    entry.queue = this;
    entry.previous = this.tail;
    if (this.tail === null) this.head = entry;
    else this.tail.next = entry;
    this.tail = entry;
    this.owner.arm(entry.due);
  }

  /** Does now for every entry what would be done when its time is over. */
  expireAll(): void {
    for (let entry = this.head; entry !== null; entry = this.head) {
      this.cancel(entry);
      this.expire(entry.item);
    }
  }

  /** Takes an entry out; does nothing when it stands in no queue or another one. */
  cancel(entry: DeadlineEntry<T>): void {
    if (entry.queue !== this) return;
    if (entry.previous === null) this.head = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === null) this.tail = entry.previous;
    else entry.next.previous = entry.previous;
    entry.queue = null;
    entry.previous = null;
    entry.next = null;
  }
}

/** The queues of one engine and their timer. The timer keeps no process alive. */
export class Deadlines {
  private readonly queues: DeadlineQueue<unknown>[] = [];
  private timer: NodeJS.Timeout | null = null;
  private wakeAt = Infinity;

  /**
   * @param delay milliseconds every item of the queue waits.
   * @param expire called for an item whose time is over, after it was taken out.
   */
  queue<T>(delay: number, expire: (item: T) => void): DeadlineQueue<T> {
    const queue = new DeadlineQueue<T>(this, delay, expire);
    this.queues.push(queue as DeadlineQueue<unknown>);
    return queue;
  }

  /** Stops the timer. Items that still wait are not called. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.wakeAt = Infinity;
  }

  /** @internal */
  arm(due: number): void {
    if (due >= this.wakeAt) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.wakeAt = due;
    const delay = Math.min(Math.max(due - performance.now(), 1), MAX_TIMER);
    this.timer = setTimeout(() => this.wake(), delay).unref();
  }

  private wake(): void {
    this.timer = null;
    this.wakeAt = Infinity;
    const now = performance.now();
    try {
      for (const queue of this.queues) {
        for (let entry = queue.head; entry !== null && entry.due <= now + queue.early; entry = queue.head) {
          queue.cancel(entry);
          queue.expire(entry.item);
        }
      }
    } finally {
      // also when a listener of the application threw
      for (const { head } of this.queues) if (head !== null) this.arm(head.due);
    }
  }
}
