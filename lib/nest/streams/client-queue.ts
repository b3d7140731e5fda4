/** Something that has its turn in a {@link ClientQueue}. */
export interface Job {
  /** Begins it, and calls the queue's `done` when it has ended. Does not throw. */
  start(queue: ClientQueue): void;
}

/**
 * The messages of one client, handled in the order of their arrival: the next begins when the one before is done. Has no limit
 * of its own; whoever adds looks at `waiting` first.
 */
export class ClientQueue {
  /** Whether its client was told that there is no room, and has filled it ever since. For whoever adds. */
  isOverflowing: boolean;
  private readonly width: number;
  private running: number;
  private jobs: (Job | null)[];
  /** Where the first that waits stands in `jobs`. */
  private head: number;
  private idle: (() => void)[] | null;

  /** @param width how many may be under way at a time; with more than one, their order of completion is anybody's. */
  constructor(width = 1) {
    this.isOverflowing = false;
    this.width = width;
    this.running = 0;
    this.jobs = [];
    this.head = 0;
    this.idle = null;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.jobs.length - this.head;
  }

  /** Whether nothing is under way or waits. */
  get isIdle(): boolean {
    return this.running === 0;
  }

  /** Lets a job begin, now or when it is its turn. */
  add(job: Job): void {
    if (this.running < this.width) {
      this.running++;
      job.start(this);
    } else {
      this.jobs.push(job);
    }
  }

  /** Takes out the oldest job that waits and fulfils a condition. */
  take<J extends Job>(is: (job: Job) => job is J): J | undefined {
    const index = this.jobs.findIndex((job, at) => at >= this.head && is(job!));
    if (index === -1) return undefined;
    return this.jobs.splice(index, 1)[0] as J;
  }

  /** A job that was begun has ended, or is not waited for any more. To be called once for each. */
  done(): void {
    if (this.head === this.jobs.length) {
      this.running--;
      if (this.running === 0) this.tellIdle();
      return;
    }
    const next = this.jobs[this.head]!;
    // what has begun is kept by itself
    this.jobs[this.head++] = null;
    if (this.head === this.jobs.length) {
      this.jobs = [];
      this.head = 0;
    } else if (this.head > 64 && this.head * 2 > this.jobs.length) {
      this.jobs = this.jobs.slice(this.head);
      this.head = 0;
    }
    next.start(this);
  }

  /** Calls back once all that has been added is done; at once when it is. */
  whenIdle(callback: () => void): void {
    if (this.isIdle) callback();
    else (this.idle ??= []).push(callback);
  }

  private tellIdle(): void {
    const { idle } = this;
    this.idle = null;
    for (const callback of idle ?? []) callback();
  }
}
