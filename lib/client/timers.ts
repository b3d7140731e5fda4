/** What has the timers that are to be used: engine.io-client's are those of before a test replaced them, if it is told so. */
interface TimerFunctions {
  readonly setTimeoutFn: typeof setTimeout;
  readonly clearTimeoutFn: typeof clearTimeout;
}

/**
 * Timers by name, one of each. They keep no process alive; a connection does.
 *
 * @package
 */
export class Timers<Name extends string> {
  private readonly running = new Map<Name, ReturnType<typeof setTimeout>>();

  constructor(private readonly owner: TimerFunctions) {}

  /** Calls back after so many milliseconds; instead of the last of that name. */
  start(name: Name, delay: number, callback: () => void): void {
    this.stop(name);
    const timer = this.owner.setTimeoutFn(() => {
      this.running.delete(name);
      callback();
    }, delay);
    (timer as { unref?: () => void }).unref?.();
    this.running.set(name, timer);
  }

  has(name: Name): boolean {
    return this.running.has(name);
  }

  stop(name: Name): void {
    this.owner.clearTimeoutFn(this.running.get(name));
    this.running.delete(name);
  }

  stopAll(): void {
    for (const name of this.running.keys()) this.stop(name);
  }
}
