import { AsyncResource } from 'node:async_hooks';

/** Something that has its turn in a {@link ClientQueue}. */
export interface Job {
  /** How many may wait in the queue, this one among them. */
  readonly limit: number;
  /** Begins it, and calls the queue's `done` when it has ended. Does not throw. */
  start(queue: ClientQueue): void;
  /** Whether it takes the place of an older one when there is no room for both. */
  replaces(older: Job): boolean;
  /** There is no room for it, and it has left the queue. Does not throw. */
  overflown(queue: ClientQueue): void;
}

/** A job that waits, and the asynchronous context that it came in: it must not begin in that of the job before it. */
class WaitingJob extends AsyncResource {
  constructor(readonly job: Job) {
    super('NestwireMessage');
  }

  start(queue: ClientQueue): void {
    this.runInAsyncScope(this.job.start, this.job, queue);
  }
}

/**
 * The messages of one client, handled in the order of their arrival: the next begins when the one before is done. Its limits
 * hold when what has come is dealt with as far as it can be: that may be many messages at once, and guards that decide without waiting
 * have not seen the first of them before the last is there.
 */
export class ClientQueue {
  /** Whether its client was told that there is no room, and has filled it ever since. For whoever has no room in it. */
  isOverflowing: boolean;
  private isChecking: boolean;
  private readonly width: number;
  private running: number;
  private jobs: (WaitingJob | null)[];
  /** Where the first that waits stands in `jobs`. */
  private head: number;
  private idle: (() => void)[] | null;

  /** @param width how many may be under way at a time; with more than one, their order of completion is anybody's. */
  constructor(width = 1) {
    this.isOverflowing = false;
    this.isChecking = false;
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
      return;
    }
    if (this.waiting === 0) this.isOverflowing = false;
    this.jobs.push(new WaitingJob(job));
    if (this.waiting <= job.limit || this.isChecking) return;
    this.isChecking = true;
    // behind all that the messages at hand do without waiting for anything
    queueMicrotask(() => process.nextTick(makeRoom, this));
  }

  /** Takes out all jobs that wait and fulfil a condition. */
  drop(is: (job: Job) => boolean): void {
    this.jobs = this.jobs.slice(this.head).filter((waiting) => !is(waiting!.job));
    this.head = 0;
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

  /** @internal Takes out what is too much. */
  makeRoom(): void {
    this.isChecking = false;
    const staying: WaitingJob[] = [];
    const leaving: Job[] = [];
    for (let index = this.head; index < this.jobs.length; index++) {
      const { job } = this.jobs[index]!;
      staying.push(this.jobs[index]!);
      if (staying.length <= job.limit) continue;
      // -1, when there is none, is the place of the job itself: the last
      const replaced = staying.findIndex((older) => job.replaces(older.job));
      leaving.push(staying.splice(replaced, 1)[0]!.job);
    }
    if (leaving.length === 0) return;
    this.jobs = staying;
    this.head = 0;
    for (const job of leaving) job.overflown(this);
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

function makeRoom(queue: ClientQueue): void {
  queue.makeRoom();
}
