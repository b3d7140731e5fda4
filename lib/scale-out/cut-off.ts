import type { NodeRecord } from './node-registry.js';

/*
 * A node that cannot reach the registry cannot renew its lease, so the others refuse what comes to them of its sessions.
 * Clients that it lets in then are lost again at their next request by another node. So it lets none in and says so, and a
 * balancer asks another one: but only while one of the others, asked directly, reaches the registry. For when the registry
 * itself is down nobody's lease runs out, all is as well as it can be, and nobody must close the door.
 */

/** What a {@link CutOff} needs. */
export interface CutOffOptions {
  /** Milliseconds between two rounds of questions to the others, while the registry cannot be reached. */
  readonly askEvery: number;
  /** The others, as they were when the registry answered last. */
  peers(): readonly NodeRecord[];
  /**
   * Asks one of them how long ago, in milliseconds, it asked the registry what that has answered. Undefined when it does not
   * reach it, or takes no clients itself. May reject; must settle before long.
   */
  ask(peer: NodeRecord): Promise<number | undefined>;
  log(message: string): void;
}

/** Knows whether this node is cut off from the registry while another one is not. */
export class CutOff {
  /** When the registry was asked the first question that it did not answer; null while it answers. */
  private since: number | null = null;
  /** One that reaches it. */
  private witness: NodeRecord | null = null;
  private timer: NodeJS.Timeout | null = null;
  private isAsking = false;

  constructor(private readonly options: CutOffOptions) {}

  /** Whether new clients are better off at another node. */
  get isCutOff(): boolean {
    return this.witness !== null;
  }

  /**
   * The registry does not answer any more.
   *
   * @param since when it was asked, by `performance.now()`.
   */
  lost(since: number): void {
    this.stop();
    this.since = since;
    this.timer = setInterval(() => void this.look(since), this.options.askEvery).unref();
    void this.look(since);
  }

  /** The registry answers again. */
  found(): void {
    this.stop();
    this.take(null, 'the registry of nodes can be reached');
  }

  /** Asks nobody any more. */
  stop(): void {
    this.since = null;
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private async look(since: number): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    const witness = await this.findWitness(since);
    this.isAsking = false;
    // the registry has answered in the meantime, or this node leaves
    if (this.since !== since) return;
    this.take(witness, 'no other node is known to reach the registry of nodes either');
  }

  /** The one that was a witness before is asked first, and alone if it is one still. */
  private async findWitness(since: number): Promise<NodeRecord | null> {
    const { witness } = this;
    if (witness !== null && (await this.reaches(witness, since))) return witness;
    const asked = this.options.peers().map(async (peer) => {
      if (await this.reaches(peer, since)) return peer;
      throw new Error('no witness');
    });
    return Promise.any(asked).catch(() => null);
  }

  /**
   * Whether the registry has answered a node what was asked after its silence towards this one began. What it answered
   * before proves nothing: when it goes down, some hear of it later than others.
   */
  private async reaches(peer: NodeRecord, since: number): Promise<boolean> {
    const now = performance.now();
    // one that does not answer is no witness, whatever the reason
    const age = await this.options.ask(peer).catch(() => undefined);
    return age !== undefined && now - age > since;
  }

  private take(witness: NodeRecord | null, why: string): void {
    const before = this.witness;
    this.witness = witness;
    if (before === null && witness !== null) {
      this.options.log(
        `new clients are refused here (503): this node cannot reach the registry of nodes, and the one at ${witness.address} ` +
          'can. Clients that are connected stay. Look at the way from this machine to the registry, and have the balancer ask ' +
          'another node at a 503 (nginx: proxy_next_upstream … http_503)',
      );
    } else if (before !== null && witness === null) {
      this.options.log(`new clients are let in again: ${why}`);
    }
  }
}
