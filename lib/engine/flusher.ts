/** What a flusher does with a session. */
export interface Flushable {
  /** The flush it waits for. */
  awaits: FlushTime;
  flush(): void;
}

/** When a session writes: not at all, at the end of this turn of the event loop, or when broadcasts have their turn. */
export const FLUSH = { NEVER: 0, WITH_BROADCASTS: 1, THIS_TURN: 2 } as const;
export type FlushTime = (typeof FLUSH)[keyof typeof FLUSH];

/** Milliseconds of a flush from which the next one keeps a distance. Below, a timer would cost more than it saves. */
const LONG_FLUSH_MS = 1;

/** Most milliseconds of distance: what a broadcast may wait on purpose. */
const MAX_PAUSE_MS = 5;

/** Flushes of broadcasts that keep no distance after one which waited in vain: where each follows an answer, none ever joins. */
const PROMPT_FLUSHES = 16;

/**
 * Lets sessions write at the end of the event loop's turn, all in one go: after the input at hand was handled, so that
 * answers and broadcasts which several messages caused leave a session in one write.
 *
 * Writing is mostly system calls, one for each session that has something to send. So after a long flush of broadcasts
 * the next one begins no earlier than as long again after its end: in a storm of broadcasts writing them takes at most
 * half of the time, and what comes meanwhile is joined instead of queueing. Where the next broadcast comes later than
 * that anyway, nothing waits, and so it is for a while where nothing came to be joined; a session that has anything else to
 * send never waits.
 */
export class Flusher {
  private sessions: Flushable[] = [];
  private broadcasts: Flushable[] = [];
  /** Flushes of this turn that are on their way. */
  private coming = 0;
  /** Whether broadcasts leave with the next of them. */
  private takesBroadcasts = false;
  private isPausing = false;
  /** Broadcasts that came to sessions whose last one waited. */
  private joined = 0;
  /** Flushes to come that keep no distance. */
  private prompt = 0;
  private lastDuration = 0;
  private lastEnd = 0;

  /** Lets a session write at the end of this turn. */
  flushThisTurn(session: Flushable): void {
    if (session.awaits === FLUSH.THIS_TURN) return;
    session.awaits = FLUSH.THIS_TURN;
    if (this.sessions.push(session) === 1 && this.coming === 0) this.flushAfterThis();
  }

  /** Adds a flush behind what this turn has put off until its end so far: for what will come of that. */
  flushAfterThis(): void {
    this.coming++;
    setImmediate(flushSessions, this);
  }

  /** Lets a session write that has nothing but broadcasts to send. */
  flushWithBroadcasts(session: Flushable): void {
    if (session.awaits !== FLUSH.NEVER) {
      this.joined++;
      return;
    }
    session.awaits = FLUSH.WITH_BROADCASTS;
    if (this.broadcasts.push(session) > 1) return;
    const pause = this.pause();
    this.isPausing = pause > 0;
    this.joined = 0;
    if (this.isPausing) setTimeout(flushBroadcasts, pause, this);
    else if (this.coming > 0) this.takesBroadcasts = true;
    else setImmediate(flushBroadcasts, this);
  }

  /** @internal */
  flushSessions(): void {
    const { sessions } = this;
    const takesBroadcasts = this.takesBroadcasts;
    this.sessions = [];
    this.coming--;
    this.takesBroadcasts = false;
    try {
      flushAll(sessions, (session) => this.flushThisTurn(session));
    } finally {
      if (takesBroadcasts) this.flushBroadcasts();
    }
  }

  /** @internal */
  flushBroadcasts(): void {
    const { broadcasts } = this;
    const start = performance.now();
    this.broadcasts = [];
    if (this.isPausing) {
      if (this.joined === 0) this.prompt = PROMPT_FLUSHES;
    } else if (this.prompt > 0) this.prompt--;
    this.isPausing = false;
    try {
      flushAll(broadcasts, (session) => this.flushWithBroadcasts(session));
    } finally {
      this.lastEnd = performance.now();
      this.lastDuration = this.lastEnd - start;
    }
  }

  private pause(): number {
    if (this.prompt > 0 || this.lastDuration < LONG_FLUSH_MS) return 0;
    return this.lastEnd + Math.min(this.lastDuration, MAX_PAUSE_MS) - performance.now();
  }
}

/** @param again where those go whose turn did not come: a listener of the application threw. */
function flushAll(sessions: readonly Flushable[], again: (session: Flushable) => void): void {
  let done = 0;
  try {
    while (done < sessions.length) {
      const session = sessions[done++]!;
      session.awaits = FLUSH.NEVER;
      session.flush();
    }
  } finally {
    while (done < sessions.length) {
      const session = sessions[done++]!;
      session.awaits = FLUSH.NEVER;
      again(session);
    }
  }
}

function flushSessions(flusher: Flusher): void {
  flusher.flushSessions();
}

function flushBroadcasts(flusher: Flusher): void {
  flusher.flushBroadcasts();
}
