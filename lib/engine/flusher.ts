/** What a flusher does with a session. */
export interface Flushable {
  /** Whether it stands in the list of the next flush. */
  dirty: boolean;
  flush(): void;
}

/** Milliseconds of a flush from which the next one keeps a distance. Below, a timer would cost more than it saves. */
const LONG_FLUSH_MS = 1;

/** Most milliseconds of distance: what a message may wait on purpose. */
const MAX_PAUSE_MS = 20;

/**
 * Lets sessions write at the end of the event loop's turn, all in one go: after the input at hand was handled, so that
 * answers and broadcasts which several messages caused leave a session in one write.
 *
 * Writing is mostly system calls, one for each session that has something to send. When a flush was long (a broadcast to
 * many), the next one begins no earlier than as long again after its end: under a storm of broadcasts writing takes at
 * most half of the time, and what comes meanwhile is joined instead of queueing. Where the next broadcast comes later
 * than that anyway, nothing waits.
 */
export class Flusher {
  private sessions: Flushable[] = [];
  private lastDuration = 0;
  private lastEnd = 0;

  /** Puts a session on the list of the next flush. */
  add(session: Flushable): void {
    session.dirty = true;
    if (this.sessions.push(session) > 1) return;
    const pause = this.pause();
    if (pause > 0) setTimeout(flush, pause, this);
    else setImmediate(flush, this);
  }

  /** @internal */
  flush(): void {
    const { sessions } = this;
    const start = performance.now();
    this.sessions = [];
    for (const session of sessions) {
      session.dirty = false;
      session.flush();
    }
    this.lastEnd = performance.now();
    this.lastDuration = this.lastEnd - start;
  }

  private pause(): number {
    if (this.lastDuration < LONG_FLUSH_MS) return 0;
    return this.lastEnd + Math.min(this.lastDuration, MAX_PAUSE_MS) - performance.now();
  }
}

function flush(flusher: Flusher): void {
  flusher.flush();
}
