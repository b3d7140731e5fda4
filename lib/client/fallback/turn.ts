import type { Timers } from '../timers.js';
import type { Attempt, Candidate, EngineSocket, TimerName } from './course.js';
import type { Memory } from './memory.js';

/*
 * Who tries, of all tabs, what may fall silent: WebSocket. Firefox never lets go of the connection of one that was not
 * answered, and it has six. So one tab at a time tries it, and the others wait for what it finds out; where WebSocket works
 * that is a round trip. Streams and polls give their connections back.
 */

/** Milliseconds after which one who waits looks again. */
const PAUSE = 50;

/** Why a transport was not tried. It says nothing about the network. */
export const NO_TURN = 'another tab tried it';

/**
 * The turn of one connection.
 *
 * @package
 */
export class Turn {
  /** What was tried last, and not answered. */
  silent: Attempt | undefined;
  /** The transport that this tab alone may try. */
  private taken = '';

  constructor(
    private readonly engine: EngineSocket,
    private readonly memory: Memory,
    private readonly timers: Timers<TimerName>,
  ) {}

  /** Has a candidate begin when it is its turn; ends it when there will be none. */
  take(candidate: Candidate, begin: () => void): void {
    const { name, attempt, isHttp } = candidate;
    // the last of the list is tried whatever is known of it
    const isOut = this.memory.isOut(name) && (attempt.role === 'upgrade' || this.engine.transports.length > 1);
    if (isHttp) {
      begin();
    } else if (!isOut && this.memory.takeTurn(name)) {
      this.taken = name;
      begin();
    } else {
      // later, since engine.io-client may not listen to it yet
      this.timers.start('turn', PAUSE, () => (isOut ? candidate.giveUp(NO_TURN) : this.take(candidate, begin)));
    }
  }

  /** Ends a candidate from which nothing came in time. */
  giveUp(candidate: Candidate, reason: string): void {
    this.timers.stop('turn');
    const isTried = candidate.name === this.taken;
    if (isTried) this.silent = candidate.attempt;
    candidate.giveUp(isTried || candidate.isHttp ? reason : NO_TURN);
  }

  /** It is known what became of the candidate, or it is not wanted any more. @param open the transport that opened. */
  end(open?: string): void {
    this.timers.stop('turn');
    if (this.taken !== '') this.memory.endTurn(this.taken, open === this.taken);
    this.taken = '';
  }
}
