import { AsyncResource } from 'node:async_hooks';
import type { Flusher } from './flusher.js';

/** Somebody for whom packets were read. */
export interface Receiver {
  /** Handles what was read. One that throws keeps the rest, and is asked again. */
  deliver(): void;
  /** Whether something is left. */
  readonly hasUnhandled: boolean;
}

/** Packets from which the next ones have a turn of their own: what they make stays within the processor's cache. */
const BATCH_PACKETS = 128;

/** What is handled in one go. */
interface Batch {
  readonly receivers: Receiver[];
  packets: number;
}

/**
 * Keeps what is read in one turn of the event loop until its end, and has it handled in one go.
 *
 * Guards, pipes and handlers of a message are a chain of promises. Handled as they are read, each message runs through all of it
 * alone, as Node empties the queue of promises after every read; handled together they go through it in step, so that the
 * same code runs for many of them in a row. docs/decisions.md 99 has what it brings.
 */
export class Inbox {
  private last: Batch | null = null;
  /** Messages of several clients begin here: none must be in the asynchronous context of another one's. */
  private readonly context = new AsyncResource('NestwireInbox');

  constructor(private readonly flusher: Flusher) {}

  /** A packet was read for a receiver, the first of those that it has not handled yet. */
  add(receiver: Receiver): void {
    if (this.last === null || this.last.packets >= BATCH_PACKETS) {
      this.last = { receivers: [], packets: 0 };
      setImmediate(deliver, this, this.last);
      // what comes of it leaves before the next reads
      this.flusher.flushAfterThis();
    }
    this.last.receivers.push(receiver);
    this.last.packets++;
  }

  /** One more was read for a receiver that waits already. */
  count(): void {
    if (this.last !== null) this.last.packets++;
  }

  /** @internal */
  deliver(batch: Batch): void {
    if (batch === this.last) this.last = null;
    this.context.runInAsyncScope(deliverAll, this, batch.receivers);
  }
}

function deliver(inbox: Inbox, batch: Batch): void {
  inbox.deliver(batch);
}

function deliverAll(this: Inbox, receivers: readonly Receiver[]): void {
  let done = 0;
  try {
    while (done < receivers.length) receivers[done++]!.deliver();
  } finally {
    // a listener of the application threw
    if (done > 0 && receivers[done - 1]!.hasUnhandled) done--;
    for (const receiver of receivers.slice(done)) if (receiver.hasUnhandled) this.add(receiver);
  }
}
