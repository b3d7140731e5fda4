import { createClient, type RedisClientOptions } from 'redis';

/** Milliseconds until a connection is tried again: the first wait, and the longest. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 2000;

/** A client of the `redis` package, whatever modules and scripts it knows. */
export type RedisClient = ReturnType<typeof createClient>;

/** Who wants to know how a connection fares. Called at changes only, not at every try. */
export interface ConnectionListener {
  /** It is lost, or was not made at the first try. */
  lost(error: Error): void;
  /** It is there; also the first time. */
  found(): void;
}

/**
 * How far a connection is. While TCP connects there is nothing that could be destroyed: a socket that `redis` then gets
 * would stay open for ever, so its end has to wait for it.
 */
const enum Phase {
  Idle,
  Connecting,
  Connected,
}

/**
 * One connection to Redis that comes back by itself, waiting twice as long after every failure. Never throws, and never
 * leaves an error without a listener.
 */
export class RedisConnection {
  readonly client: RedisClient;
  /** What went wrong last. */
  lastError: Error | undefined;
  private phase = Phase.Idle;
  private closing = false;
  /** Whether it was there when its listener heard of it last; null before. */
  private told: boolean | null = null;
  private opened: Promise<void> | undefined;

  /** @throws TypeError for options that `redis` does not take. */
  constructor(
    private readonly options: RedisClientOptions,
    private readonly listener?: ConnectionListener,
  ) {
    const socket = {
      ...options.socket,
      reconnectStrategy: (retries: number) => (this.closing ? new Error('closed') : waitBefore(retries)),
    };
    // a Redis before 7.2 answers that with errors, which `redis` may take for the answers to what was sent before a restart
    const quiet = { disableClientInfo: true };
    this.client = createClient({ ...quiet, ...options, socket } as RedisClientOptions) as RedisClient;
    this.client.on('error', (error: Error) => this.failed(error));
    this.client.on('reconnecting', () => (this.phase = Phase.Connecting));
    this.client.on('connect', () => this.connected());
    this.client.on('ready', () => this.tell(true));
  }

  /** Whether a command would be sent at once. */
  get isReady(): boolean {
    return this.client.isReady;
  }

  /** Another connection with the same options, which nobody listens to. */
  another(): RedisConnection {
    return new RedisConnection(this.options);
  }

  /** Begins to connect. Resolves when it is there for the first time, which may be never; does not reject. */
  open(): Promise<void> {
    if (this.opened === undefined) {
      this.phase = Phase.Connecting;
      this.opened = this.client.connect().then(
        () => undefined,
        // it was closed before
        () => new Promise<never>(() => undefined),
      );
    }
    return this.opened;
  }

  /**
   * Ends it: what waits for an answer is rejected.
   *
   * @param grace milliseconds that commands may take which were sent already.
   */
  async close(grace = 0): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    if (grace > 0 && this.isReady) {
      await within(grace, this.client.close()).catch(() => undefined);
    }
    if (this.phase === Phase.Connecting) return;
    this.destroy();
  }

  private failed(error: Error): void {
    // the answer to a ping that came to nothing says less than what ended the connection
    if (this.isReady) return;
    this.phase = Phase.Idle;
    this.lastError = innermost(error);
    if (!this.closing) this.tell(false);
  }

  private connected(): void {
    this.phase = Phase.Connected;
    if (this.closing) this.destroy();
  }

  private destroy(): void {
    try {
      this.client.destroy();
    } catch {
      // it is closed already, or was never opened
    }
  }

  private tell(isThere: boolean): void {
    if (this.told === isThere) return;
    this.told = isThere;
    if (isThere) this.listener?.found();
    else this.listener?.lost(this.lastError!);
  }
}

/** Milliseconds before the next try. Half of it is chance, so that all nodes of a cluster do not come at once. */
export function waitBefore(retries: number): number {
  const longest = Math.min(FIRST_WAIT * 2 ** Math.min(retries, 16), LONGEST_WAIT);
  return longest / 2 + (Math.random() * longest) / 2;
}

/** A host with several addresses fails with one error for each. */
function innermost(error: Error): Error {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first : error;
}

/**
 * What a promise gives, unless that takes too long.
 *
 * @throws Error after so many milliseconds, and what the promise rejects with; later on that is of no interest.
 */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
