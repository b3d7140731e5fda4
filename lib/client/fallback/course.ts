import type { PageHideEvent } from '../page-hide.js';
import type { OpenChannel } from './census.js';
import type { Memory } from './memory.js';

/*
 * What a trial, its transports and the list that they belong to need of each other and of engine.io-client.
 */

/** One transport that was tried for a connection. */
export interface Attempt {
  readonly transport: string;
  /** What it was tried as: to begin with, in reserve while the first was waited for, or as an upgrade. */
  role: 'first' | 'reserve' | 'upgrade';
  /** `dropped`: it was not needed any more. */
  state: 'trying' | 'open' | 'failed' | 'dropped';
  /** Why it failed. */
  reason?: string;
  /** From its beginning until its state was decided. */
  milliseconds?: number;
}

/**
 * What a trial needs of a transport.
 *
 * @package
 */
export interface Candidate {
  readonly name: string;
  readonly attempt: Attempt;
  /** Whether it holds a connection as long as it is open. */
  readonly isStream: boolean;
  /** Whether its connections are those of HTTP: it streams or polls. */
  readonly isHttp: boolean;
  /** Begins to open, once it is its turn. */
  begin(): void;
  /** The page goes away. */
  hide(event: PageHideEvent): void;
  /** Ends it with an error. */
  giveUp(reason: string): void;
  /** Ends it without a word to whoever listens. */
  close(): unknown;
}

/**
 * What the trials of one list of transports share.
 *
 * @package
 */
export interface Course {
  readonly memory: Memory;
  /** Names, best first. */
  readonly preference: readonly string[];
  classOf(name: string): unknown;
  /** Brings the list into the order that the memory gives. */
  refresh(): void;
  /** Opens the channel by which tabs share the connections of their browser. */
  readonly openChannel: OpenChannel;
  /** Told of every transport that failed. */
  readonly onFallback: ((attempt: Attempt) => void) | undefined;
}

/** What a trial waits for. */
export type TimerName = 'first' | 'reserve' | 'turn' | 'upgrade-limit' | 'proof' | 'retry';

/** The parts of engine.io-client's Socket that are used. */
export interface EngineSocket {
  readonly opts: { tryAllTransports?: boolean; upgrade?: boolean };
  readonly transports: string[];
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: string | number;
  readonly readyState: string;
  readonly upgrading: boolean;
  readonly setTimeoutFn: typeof setTimeout;
  readonly clearTimeoutFn: typeof clearTimeout;
  attempts?: readonly Attempt[];
  createTransport(name: string): unknown;
  on(event: string, listener: (...args: any[]) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  /** Not there in minified builds. */
  readonly _probe?: (name: string) => void;
  readonly _transportsByName?: Record<string, unknown>;
}
