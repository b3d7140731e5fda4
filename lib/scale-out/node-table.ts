import type { NodeRecord, NodeRegistry } from './node-registry.js';

/** Milliseconds that are let pass between two questions to the registry, however many ids of unknown nodes arrive. */
const ASK_AT_MOST_EVERY = 20;

/** What a {@link NodeTable} needs. */
export interface NodeTableOptions {
  readonly registry: NodeRegistry;
  readonly self: NodeRecord;
  /** Milliseconds without a renewal after which a node counts as gone. */
  readonly lease: number;
  /** Milliseconds between two renewals. */
  readonly renewEvery: number;
  log(message: string): void;
  /** A node is not there any more. */
  onGone(id: string): void;
  /**
   * The registry does not answer any more.
   *
   * @param since when it was asked, by `performance.now()`.
   */
  onLost(since: number): void;
  /** The registry answers again. */
  onFound(): void;
}

/**
 * The nodes that are there, as this one knows them: the registry's answer to the last renewal of its own lease. While the
 * registry cannot be reached nobody can renew, so its last answer stands.
 */
export class NodeTable {
  private nodes = new Map<string, NodeRecord>();
  private timer: NodeJS.Timeout | null = null;
  /** The question that is out. */
  private asking: Promise<void> | null = null;
  /** The one that comes after it. */
  private next: Promise<void> | null = null;
  private askedAt = -Infinity;
  /** When the last question was asked that was answered. */
  private answeredOf = -Infinity;
  private reachable = true;
  private closed = false;

  constructor(private readonly options: NodeTableOptions) {}

  get size(): number {
    return this.nodes.size;
  }

  /** Whether the registry answered last time. */
  get isReachable(): boolean {
    return this.reachable;
  }

  /** All but this one. */
  get others(): NodeRecord[] {
    return [...this.nodes.values()].filter(({ id }) => id !== this.options.self.id);
  }

  /** Milliseconds since the registry was asked what it answered last; undefined when it does not answer. */
  get age(): number | undefined {
    const age = performance.now() - this.answeredOf;
    return this.reachable && !this.closed && age < Infinity ? age : undefined;
  }

  /** Enters this node, and keeps it entered. @throws what the registry throws; then it goes on trying. */
  async start(): Promise<void> {
    this.timer = setInterval(() => void this.ask().catch(ignore), this.options.renewEvery);
    this.timer.unref();
    await this.ask();
  }

  /** A node; undefined when it is not there. A promise when the registry has to be asked. */
  find(id: string): NodeRecord | undefined | Promise<NodeRecord | undefined> {
    return this.nodes.get(id) ?? (this.closed ? undefined : this.askFor(id));
  }

  /** Takes this node out of the registry. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearInterval(this.timer);
    await this.asking?.catch(ignore);
    // one that cannot be reached lets the lease run out
    await this.options.registry.remove(this.options.self.id).catch(ignore);
  }

  private async askFor(id: string): Promise<NodeRecord | undefined> {
    this.next ??= this.askSoon();
    await this.next;
    return this.nodes.get(id);
  }

  /** Asks once for all who want to know in the meantime, and not before they did. */
  private async askSoon(): Promise<void> {
    // one that is under way may have been answered before the node in question was entered
    await this.asking?.catch(ignore);
    const early = this.askedAt + ASK_AT_MOST_EVERY - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    this.next = null;
    if (!this.closed) await this.ask().catch(ignore);
  }

  private ask(): Promise<void> {
    if (this.asking !== null) return this.asking;
    this.askedAt = performance.now();
    this.asking = this.renew().finally(() => (this.asking = null));
    return this.asking;
  }

  private async renew(): Promise<void> {
    const { registry, self, lease, log } = this.options;
    const asked = this.askedAt;
    const wasReachable = this.reachable;
    try {
      this.take(await registry.renew(self, lease));
    } catch (error) {
      this.reachable = false;
      if (wasReachable) {
        log(`the registry of nodes cannot be reached: ${String((error as Error)?.message ?? error)}`);
        if (!this.closed) this.options.onLost(asked);
      }
      throw error;
    }
    this.reachable = true;
    this.answeredOf = asked;
    if (wasReachable) return;
    log('the registry of nodes can be reached again');
    this.options.onFound();
  }

  private take(records: readonly NodeRecord[]): void {
    const before = this.nodes;
    this.nodes = new Map(records.map((record) => [record.id, record]));
    for (const id of before.keys()) if (!this.nodes.has(id)) this.options.onGone(id);
  }
}

function ignore(): void {
  // it was logged, and is tried again
}
