import { InvalidOptionError } from '../../engine/index.js';
import type { SlowReaderBudget, SlowReaderPolicy } from '../../streams/slow-readers.js';

/**
 * What happens to a message for which there is no room in its client's queue.
 *
 * - `refuse`: its sender gets an error: the acknowledgement if it asked for one, else one `exception` for all that were refused
 *   in a row.
 * - `dropOldest`: the oldest message of this stream that waits is refused in its place.
 * - `disconnect`: the client's connection is closed.
 */
export type QueueOverflow = 'refuse' | 'dropOldest' | 'disconnect';

/**
 * What follows when an operator, or the method itself, throws. The exception filters hear of it in every case.
 *
 * - `restart`: the method is called again, at once for the first time and later after a pause; when it fails too often, as
 *   `disconnect` in client scope and as `complete` in gateway scope.
 * - `complete`: the stream is over; further messages are refused.
 * - `disconnect`: the client's connection is closed. In client scope only.
 */
export type StreamErrorPolicy = 'restart' | 'complete' | 'disconnect';

/** What can be said for all streams of an application (`NestwireModule`, adapter) and for one (`@SubscribeStream`). */
export interface StreamDefaults {
  /** Messages of one client that may wait for guards and pipes, and what happens beyond. Default 1000, `refuse`. */
  queue?: { limit?: number; overflow?: QueueOverflow };
  /**
   * Milliseconds that guards, interceptors and pipes may take for one message; then it is refused, and the next one has its turn.
   * Default 10,000.
   */
  timeout?: number;
  /** What follows an error. Default `restart`. */
  onError?: StreamErrorPolicy;
  /**
   * `restart`: at most `limit` errors within `window` milliseconds; the second one waits `delay` milliseconds, each one after
   * it twice as long, up to `maxDelay`. Default 5 in 60,000 ms, 100 ms, 5,000 ms.
   */
  restart?: { limit?: number; window?: number; delay?: number; maxDelay?: number };
  /**
   * Bytes that may wait for a client, and what happens to output beyond that. Without it only the engine's own limit counts
   * (`limits.maxBufferedBytes`), at which a client is disconnected.
   */
  slowReaders?: { bytes: number; policy: SlowReaderPolicy };
  /**
   * Whether output for the stream's own client is kept for it while it is away, with `connectionStateRecovery` and
   * `scaleOut`; it then waits for Redis. Default: the application's `recoverable`, which is false.
   */
  recoverable?: boolean;
}

/** Options of `@SubscribeStream`. */
export interface StreamOptions extends StreamDefaults {
  /** `client`: one stream for each client. `gateway`: one for all clients of this node. Default `client`. */
  scope?: 'client' | 'gateway';
  /**
   * `auto`: a message whose sender asked for an acknowledgement is answered with nothing as it enters the stream. `manual`: the
   * method answers, through `Incoming.ack`; in client scope its stream is then one of `Incoming`. Default `auto`.
   */
  ack?: 'auto' | 'manual';
  /** Messages of one client that may pass guards and pipes at a time. Above 1 their order is not kept. Default 1. */
  concurrency?: number;
  /** In gateway scope: whether output goes to the clients of all nodes and not only to those of this one. Default false. */
  cluster?: boolean;
}

/** Options with every default filled in. */
export interface StreamSettings {
  readonly scope: 'client' | 'gateway';
  readonly ack: 'auto' | 'manual';
  readonly concurrency: number;
  readonly cluster: boolean;
  readonly queue: { readonly limit: number; readonly overflow: QueueOverflow };
  readonly timeout: number;
  readonly onError: StreamErrorPolicy;
  readonly restart: {
    readonly limit: number;
    readonly window: number;
    readonly delay: number;
    readonly maxDelay: number;
  };
  readonly slowReaders: SlowReaderBudget | null;
  readonly recoverable: boolean;
}

/** What may wait of one client by default, also for handlers in order (`ordering: 'client'`). */
export const DEFAULT_QUEUE_LIMIT = 1000;
/** Milliseconds that the admission of a message may take by default. */
export const DEFAULT_ADMISSION_TIMEOUT = 10_000;

/** @param defaults those of the application. */
export function streamSettings(options: StreamOptions, defaults: StreamDefaults): StreamSettings {
  const { scope = 'client' } = options;
  const onError = options.onError ?? defaults.onError ?? 'restart';
  return {
    scope,
    ack: options.ack ?? 'auto',
    concurrency: options.concurrency ?? 1,
    cluster: options.cluster ?? false,
    queue: merge<StreamSettings['queue']>(
      { limit: DEFAULT_QUEUE_LIMIT, overflow: 'refuse' },
      defaults.queue,
      options.queue,
    ),
    timeout: options.timeout ?? defaults.timeout ?? DEFAULT_ADMISSION_TIMEOUT,
    // what is said for all streams fits those of one client
    onError: scope === 'gateway' && onError === 'disconnect' ? 'complete' : onError,
    restart: merge({ limit: 5, window: 60_000, delay: 100, maxDelay: 5_000 }, defaults.restart, options.restart),
    slowReaders: options.slowReaders ?? defaults.slowReaders ?? null,
    recoverable: options.recoverable ?? defaults.recoverable ?? false,
  };
}

/** The later ones win; what is named but undefined, as values of a configuration may be, hides nothing. */
function merge<T extends object>(settings: T, ...given: (Partial<T> | undefined)[]): T {
  const named = given.flatMap((options) => Object.entries(options ?? {}).filter(([, value]) => value !== undefined));
  return { ...settings, ...Object.fromEntries(named) };
}

const NUMBERS: readonly [path: readonly [string] | readonly [string, string], least: number][] = [
  [['concurrency'], 1],
  [['timeout'], 1],
  [['queue', 'limit'], 1],
  [['restart', 'limit'], 0],
  [['restart', 'window'], 1],
  [['restart', 'delay'], 0],
  [['restart', 'maxDelay'], 0],
  [['slowReaders', 'bytes'], 0],
];

const CHOICES: readonly [path: readonly [string] | readonly [string, string], values: readonly string[]][] = [
  [['scope'], ['client', 'gateway']],
  [['ack'], ['auto', 'manual']],
  [['onError'], ['restart', 'complete', 'disconnect']],
  [
    ['queue', 'overflow'],
    ['refuse', 'dropOldest', 'disconnect'],
  ],
  [
    ['slowReaders', 'policy'],
    ['drop', 'latest', 'disconnect'],
  ],
];

/**
 * Checks options as they were written.
 *
 * @param where what to call them in the error: a method, or the option that holds the defaults.
 * @throws InvalidOptionError
 */
export function checkStreamOptions(options: StreamOptions, where: string): void {
  for (const [path, least] of NUMBERS) {
    const value = valueAt(options, path);
    if (value === undefined) continue;
    if (typeof value !== 'number' || !(value >= least))
      throw new InvalidOptionError(`${where}.${path.join('.')}`, `must be a number of ${least} or more`);
  }
  for (const [path, values] of CHOICES) {
    const value = valueAt(options, path);
    if (value !== undefined && !values.includes(value as string))
      throw new InvalidOptionError(`${where}.${path.join('.')}`, `must be one of ${values.join(', ')}`);
  }
  const { slowReaders, recoverable } = options;
  if (recoverable !== undefined && typeof recoverable !== 'boolean')
    throw new InvalidOptionError(`${where}.recoverable`, 'must be true or false');
  if (slowReaders !== undefined && (slowReaders.bytes === undefined || slowReaders.policy === undefined))
    throw new InvalidOptionError(`${where}.slowReaders`, 'needs both bytes and policy');
  if (options.scope === 'gateway' && options.onError === 'disconnect')
    throw new InvalidOptionError(`${where}.onError`, '"disconnect" is for streams of one client');
  if (options.cluster && options.scope !== 'gateway')
    throw new InvalidOptionError(`${where}.cluster`, 'is for streams in gateway scope');
}

function valueAt(options: object, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], options);
}
