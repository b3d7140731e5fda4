import type { Packet } from '../protocol/packet.js';
import type { TransportRequest } from './transport.js';

/*
 * Polls and POSTs of a stock client that reach the owner of its session through another node. That node may go away with
 * them, and a balancer in front of the nodes then sends the request again by another one: the client has not noticed
 * anything, and would be ended by the rules that hold for a client that polls twice. A request is the same as an earlier one
 * when it has the same time stamp (`t`, which stock clients put into every request, new each time).
 *
 * Costs nothing for sessions whose requests come directly.
 */

/** Milliseconds a request that was cut may be sent again in. Balancers do so at once. */
const RETRY_TIME = 2_000;

/** Largest answer, in bytes, that is kept until the client asks for the next one. */
const KEPT_BYTES = 256 * 1024;

/** What is known of the last requests of one session, in case they come again. */
export class Retries {
  private pollId = '';
  /** The answer to the last poll; null when it was too large to be kept. */
  private answer: readonly Packet[] | null = null;
  private postId = '';
  private timer: NodeJS.Timeout | null = null;

  /** What tells a request from the others of its session; empty when nothing does. */
  static idOf(request: TransportRequest): string {
    return request._query?.['t'] ?? '';
  }

  /** A poll was answered. */
  answered(request: TransportRequest, packets: readonly Packet[], bytes: number): void {
    this.pollId = Retries.idOf(request);
    this.answer = bytes <= KEPT_BYTES ? packets : null;
  }

  /**
   * The answer that a poll got when it came before; undefined when it did not, null when the answer is not there any more.
   * A new poll shows that the client has the last answer, which then is forgotten.
   */
  answerTo(request: TransportRequest): readonly Packet[] | null | undefined {
    if (this.pollId !== '' && Retries.idOf(request) === this.pollId) return this.answer;
    this.pollId = '';
    this.answer = null;
    return undefined;
  }

  /** Whether the last poll was answered and may come again. */
  get mayRepeatPoll(): boolean {
    return this.pollId !== '';
  }

  /** The packets of a POST were taken. */
  applied(request: TransportRequest): void {
    this.postId = Retries.idOf(request);
  }

  /** Whether the packets of a POST were taken when it came before. */
  isApplied(request: TransportRequest): boolean {
    return this.postId !== '' && Retries.idOf(request) === this.postId;
  }

  /** A request was cut: calls back unless one comes in time. */
  wait(giveUp: () => void): void {
    this.settle();
    this.timer = setTimeout(giveUp, RETRY_TIME).unref();
  }

  /** A request came, or the session has ended. */
  settle(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}
