import { isObservable, Subject, type Observable, type Subscription } from 'rxjs';
import type { Socket } from 'socket.io';
import type { Admission } from './admission.js';
import type { StreamRoute } from './stream-route.js';

const STATE = { STARTING: 0, OPEN: 1, PAUSED: 2, ENDED: 3 } as const;

/** A message that waits until the method has been called. */
interface Held {
  readonly admission: Admission;
  readonly value: unknown;
}

/**
 * A stream that is running: for one client, or in gateway scope for all of them. Calls the method, again after an error, and
 * sends what comes out of it. Messages that come while the method is not there yet are held.
 */
export class StreamRun {
  /** Whether somebody was told that no more can be held. */
  isOverflowing: boolean;
  private readonly route: StreamRoute;
  private readonly client: Socket | null;
  private state: (typeof STATE)[keyof typeof STATE];
  private source: Subject<unknown>;
  private output: Subscription | null;
  private isOutputDone: boolean;
  /** Whether the run ends as soon as what is held has gone in. */
  private isEnding: boolean;
  private held: Held[];
  /** The message that is in the operators just now. */
  private current: Admission | null;
  private failures: number;
  private firstFailure: number;
  private timer: NodeJS.Timeout | null;

  constructor(route: StreamRoute, client: Socket | null) {
    this.isOverflowing = false;
    this.route = route;
    this.client = client;
    this.state = STATE.STARTING;
    this.source = new Subject();
    this.output = null;
    this.isOutputDone = false;
    this.isEnding = false;
    this.held = [];
    this.current = null;
    this.failures = 0;
    this.firstFailure = 0;
    this.timer = null;
  }

  /** Whether what is pushed is heard by nobody, now and later. */
  get isOver(): boolean {
    return this.state === STATE.ENDED || (this.isOutputDone && !this.source.observed);
  }

  get isEnded(): boolean {
    return this.state === STATE.ENDED;
  }

  /** Messages that are held. */
  get waiting(): number {
    return this.held.length;
  }

  /** Calls the method. */
  start(): void {
    this.timer = null;
    this.state = STATE.STARTING;
    const source = (this.source = new Subject());
    this.isOutputDone = false;
    let result: unknown;
    try {
      result = this.route.call(source.asObservable(), this.client);
    } catch (error) {
      this.failed(error, source);
      return;
    }
    if (!isPromiseLike(result)) {
      this.opened(result, source);
      return;
    }
    result.then(
      (output) => this.opened(output, source),
      (error: unknown) => this.failed(error, source),
    );
  }

  /** Puts a message into the stream. */
  push(admission: Admission, value: unknown): void {
    if (this.state === STATE.OPEN) this.emit(admission, value);
    else this.held.push({ admission, value });
  }

  /** Completes the stream, after what was pushed before. */
  end(): void {
    if (this.state === STATE.ENDED || this.isEnding) return;
    this.isEnding = true;
    if (this.state === STATE.PAUSED && this.held.length > 0) {
      clearTimeout(this.timer!);
      this.start();
    } else if (this.state !== STATE.STARTING || this.held.length === 0) {
      this.finish();
    }
  }

  /** Completes the stream, whatever waits. */
  finish(): void {
    if (this.state === STATE.ENDED) return;
    this.state = STATE.ENDED;
    if (this.timer !== null) clearTimeout(this.timer);
    this.held = [];
    // what operators still emit at the end goes out, then it is over for those that would go on
    this.source.complete();
    this.output?.unsubscribe();
    this.route.ended(this.client);
  }

  private opened(output: unknown, source: Subject<unknown>): void {
    if (this.state === STATE.ENDED || source !== this.source) return;
    if (output !== undefined && output !== null && !isObservable(output)) {
      const { name } = this.route.definition;
      this.failed(new TypeError(`${name} must return an Observable, a Promise of one, or nothing`), source);
      return;
    }
    this.state = STATE.OPEN;
    if (output) this.subscribe(output as Observable<unknown>, source);
    // an error in them takes us back; what is left waits for the next call
    while (this.held.length > 0 && this.state === STATE.OPEN && source === this.source) {
      const { admission, value } = this.held.shift()!;
      this.emit(admission, value);
    }
    if (this.isEnding && this.state === STATE.OPEN) this.finish();
  }

  private subscribe(output: Observable<unknown>, source: Subject<unknown>): void {
    // fails or ends before subscribe() returns, it may be
    this.output = null;
    const subscription = output.subscribe({
      next: (value) => {
        try {
          this.route.output.send(this.client, value);
        } catch (error) {
          // for example an event name that is reserved, or data that cannot be written as JSON
          this.failed(error, source);
        }
      },
      error: (error: unknown) => this.failed(error, source),
      complete: () => {
        if (source === this.source) this.isOutputDone = true;
      },
    });
    if (source === this.source && this.state === STATE.OPEN) this.output = subscription;
    else subscription.unsubscribe();
  }

  private emit(admission: Admission, value: unknown): void {
    const outer = this.current;
    this.current = admission;
    try {
      this.source.next(this.route.elementOf(admission, value));
    } finally {
      this.current = outer;
    }
  }

  private failed(error: unknown, source: Subject<unknown>): void {
    // of a call that has failed before, or at the very end, there is nothing to be done but to say so
    const isCurrent = source === this.source && this.state !== STATE.ENDED;
    this.route.failed(error, this.current, this.client);
    if (!isCurrent || this.isStale(source)) return;
    this.output?.unsubscribe();
    this.output = null;
    this.state = STATE.PAUSED;
    source.complete();
    const pause = this.nextPause();
    if (pause === null) this.giveUp();
    else if (this.isEnding && this.held.length === 0) this.finish();
    else if (pause === 0) this.start();
    else this.timer = setTimeout(() => this.start(), pause).unref();
  }

  /** The filters may have disconnected the client, which ends the run. */
  private isStale(source: Subject<unknown>): boolean {
    return this.state === STATE.ENDED || source !== this.source;
  }

  /** Milliseconds until the method is called again; null when it is not. */
  private nextPause(): number | null {
    const { onError, restart } = this.route.settings;
    // a client that has gone gets one more chance for what it left behind, and no pauses
    if (onError !== 'restart') return null;
    const now = performance.now();
    if (now - this.firstFailure > restart.window) this.failures = 0;
    if (this.failures === 0) this.firstFailure = now;
    this.failures++;
    if (this.failures > restart.limit) return null;
    if (this.failures === 1 || this.isEnding) return 0;
    return Math.min(restart.delay * 2 ** (this.failures - 2), restart.maxDelay);
  }

  private giveUp(): void {
    this.finish();
    this.route.gaveUp(this.client);
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}
