import { CLOSE } from './packets.js';
import { backOff, isTemporary } from './stream.js';

/*
 * The way up: one POST at a time. With resume each has a number, and one whose answer was lost is sent again with the same
 * number and body.
 */

/**
 * What an upstream needs of its transport.
 *
 * @package
 */
export interface UpstreamOwner {
  readonly setTimeoutFn: typeof setTimeout;
  readonly clearTimeoutFn: typeof clearTimeout;
  /** The URI of the POST with a number. */
  postUri(number: number): string;
  requestInit(): RequestInit;
  answered(response: Response): void;
  /** A POST was answered with 200. */
  posted(): void;
  /** No POST is open any more. */
  upstreamIdle(): void;
  /** A POST failed for good. */
  upstreamFailed(reason: string, status: number | undefined): void;
}

interface Post {
  readonly body: string;
  readonly done: (() => void) | undefined;
}

/** Milliseconds in which a POST is answered, and bytes that are allowed another millisecond. */
const POST_TIMEOUT = 10_000;
const SLOWEST_PACE = 20;

/**
 * Sends POSTs in order.
 *
 * @package
 */
export class Upstream {
  /** Whether POSTs are numbered, and may be repeated. */
  isCounted = false;
  /** When the last POST was answered with 200, by `Date.now()`. */
  lastAnswer = 0;
  private readonly queue: Post[] = [];
  private isBusy = false;
  private isClosed = false;
  private number = 0;

  constructor(
    private readonly owner: UpstreamOwner,
    /** Milliseconds for which a POST is tried again. */
    private readonly retryFor: number,
  ) {}

  get isIdle(): boolean {
    return !this.isBusy;
  }

  /** Whether anything was sent. */
  get isUsed(): boolean {
    return this.number > 0;
  }

  /** Sends bodies, one after the other; `done` is called when the last was answered. */
  send(bodies: readonly string[], done?: () => void): void {
    if (this.isClosed) return;
    bodies.forEach((body, index) => this.queue.push({ body, done: index === bodies.length - 1 ? done : undefined }));
    if (!this.isBusy) void this.run();
  }

  /**
   * Says goodbye, and sends nothing after that. A POST that is open is waited for, so that what it carries arrives.
   *
   * @param atOnce does not wait: the page goes away.
   */
  close(atOnce = false): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (atOnce) this.isBusy = false;
    // else run() does it
    if (!this.isBusy) this.sayGoodbye();
  }

  /** Sends nothing any more. */
  stop(): void {
    this.isClosed = true;
    this.isBusy = false;
  }

  private async run(): Promise<void> {
    this.isBusy = true;
    while (this.queue.length > 0 && !this.isClosed) {
      const { body, done } = this.queue[0]!;
      this.number++;
      const problem = await this.post(body);
      // stopped meanwhile
      if (!this.isBusy) return;
      if (this.isClosed) break;
      if (problem !== null) {
        this.isBusy = false;
        this.owner.upstreamFailed(problem.reason, problem.status);
        return;
      }
      this.queue.shift();
      this.lastAnswer = Date.now();
      done?.();
      this.owner.posted();
    }
    this.isBusy = false;
    if (this.isClosed) this.sayGoodbye();
    else this.owner.upstreamIdle();
  }

  /** Sends one body until it is answered. @returns what went wrong for good, or null. */
  private async post(body: string): Promise<{ reason: string; status: number | undefined } | null> {
    const { owner } = this;
    let failures = 0;
    let deadline = 0;
    for (;;) {
      const problem = await this.tryPost(body);
      if (problem === null || this.isClosed) return null;
      if (!this.isCounted || !isTemporary(problem.status)) return problem;
      failures++;
      if (failures === 1) deadline = Date.now() + this.retryFor;
      else if (Date.now() > deadline) return problem;
      await new Promise<void>((resolve) => owner.setTimeoutFn(resolve, backOff(failures)));
      if (this.isClosed) return null;
    }
  }

  private async tryPost(body: string): Promise<{ reason: string; status: number | undefined } | null> {
    const { owner } = this;
    const abort = new AbortController();
    const timer = owner.setTimeoutFn(() => abort.abort(), POST_TIMEOUT + body.length / SLOWEST_PACE);
    try {
      const response = await fetch(owner.postUri(this.number), this.init(body, abort.signal));
      owner.answered(response);
      // read, so that the connection can be used again
      await response.text().catch(ignoreError);
      return response.ok ? null : { reason: `POST answered with ${response.status}`, status: response.status };
    } catch (error) {
      return { reason: `POST failed: ${String(error)}`, status: undefined };
    } finally {
      owner.clearTimeoutFn(timer);
    }
  }

  private init(body: string, signal?: AbortSignal): RequestInit {
    const init = this.owner.requestInit();
    return { ...init, method: 'POST', body, keepalive: signal === undefined, ...(signal && { signal }) };
  }

  /** A number that was skipped ends a session as well: so it ends whatever became of the POST before. */
  private sayGoodbye(): void {
    const uri = this.owner.postUri(++this.number);
    fetch(uri, this.init(CLOSE))
      .then((response) => response.text(), ignoreError)
      .catch(ignoreError);
  }
}

function ignoreError(): void {
  // nobody is left to be told: the answer was read already, or the session is over
}
