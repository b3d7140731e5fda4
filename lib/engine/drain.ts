import type { Engine } from './engine.js';
import type { Session } from './session.js';

/** Milliseconds between two batches of sessions that are closed. */
const BATCH_INTERVAL = 50;

/** The part of the time in which sessions are closed; the rest is for those that are busy then. */
const SPREAD = 0.7;

/** How an engine is emptied. */
export interface DrainOptions {
  /** Milliseconds within which all sessions are to have left. */
  readonly deadline: number;
  /** Sessions for which something is still being done: they are closed when it is done, at the deadline at the latest. */
  busy?(): ReadonlySet<unknown>;
}

/**
 * Empties an engine before its process ends. New handshakes are refused (503, `Retry-After`), open sessions are closed in
 * batches over the time given, each at a random moment: a client whose transport closes connects again, and all at once
 * would be a storm on the nodes that stay. What was sent to a client goes out before its session closes.
 */
export class Drain {
  /** Resolves when no session is left, or the time is over. */
  readonly done: Promise<void>;
  private readonly began = performance.now();
  /** Sessions and when to close them, the last one first. */
  private readonly due: { readonly session: Session; readonly at: number }[];
  private readonly timer: NodeJS.Timeout;
  private resolve!: () => void;

  constructor(
    private readonly engine: Engine,
    private readonly options: DrainOptions,
  ) {
    const spread = options.deadline * SPREAD;
    this.due = [...engine.clients.values()]
      .map((session) => ({ session, at: Math.random() * spread }))
      .toSorted((a, b) => b.at - a.at);
    this.done = new Promise((resolve) => (this.resolve = resolve));
    this.timer = setInterval(() => this.closeDue(), BATCH_INTERVAL);
    this.closeDue();
  }

  /** Ends it early: the engine is closed. */
  stop(): void {
    clearInterval(this.timer);
    this.resolve();
  }

  private closeDue(): void {
    const elapsed = performance.now() - this.began;
    if (this.engine.clients.size === 0 || elapsed >= this.options.deadline) {
      this.stop();
      return;
    }
    const batch: Session[] = [];
    while (this.due.length > 0 && this.due.at(-1)!.at <= elapsed) batch.push(this.due.pop()!.session);
    if (batch.length === 0) return;
    const busy = this.options.busy?.();
    for (const session of batch) {
      if (busy?.has(session)) this.due.push({ session, at: elapsed });
      else session.close();
    }
  }
}
