import { base64 } from '../packets.js';
import { Timers } from '../timers.js';

/*
 * A TCP connection through a Flash movie, `nestwire.swf`: see `flash/NestwirePipe.hx`. The movie is asked for what has come
 * again and again. So nothing is ever called from inside a player, which swallows what a callback throws, and no player has
 * to evaluate code in the page, which policies forbid.
 */

/** Milliseconds between two looks: a frame of a display. */
const TICK = 16;

/** Milliseconds of a tick that moving bytes may take, so that a page with much to move stays alive. */
const BUDGET = 8;

/** Bytes that go to the movie in one call. */
const SLICE = 12_288;

/** What a player gives before the bytes: see the movie. */
const STATE = { CONNECTING: '0', OPEN: '1', CLOSED: '2', FAILED: '3' } as const;

/** The element of the movie, which has the movie's callbacks once it runs. */
export interface Player {
  nestwireConnect?(host: string, port: number): void;
  nestwireSend?(base64: string): boolean;
  nestwireTake?(): string;
  nestwireClose?(): void;
  remove(): void;
}

/** Who uses the connection. Never called before {@link FlashPipe.open} has returned, nor after an end. */
export interface PipeSink {
  opened(): void;
  bytes(chunk: Uint8Array): void;
  /** All that was given to `send()` has been taken. */
  sent(): void;
  /** @param problem why, unless the other side has ended the connection. */
  ended(problem: string | undefined): void;
}

/** What has the timers that are to be used. */
interface TimerFunctions {
  readonly setTimeoutFn: typeof setTimeout;
  readonly clearTimeoutFn: typeof clearTimeout;
}

/** One connection, and the movie that has it. */
export class FlashPipe {
  private player: Player | null = null;
  private isConnecting = false;
  private isOpen = false;
  private isOver = false;
  /** Whether it ends as soon as all has been sent. */
  private isClosing = false;
  private outbox: Uint8Array[] = [];
  private readonly timers: Timers<'tick'>;

  constructor(
    private readonly target: { readonly host: string; readonly port: number },
    private readonly sink: PipeSink,
    owner: TimerFunctions,
  ) {
    this.timers = new Timers(owner);
  }

  /** @param create makes the movie's element; a promise that rejects says that it cannot be loaded. */
  open(create: (failed: (problem: string) => void) => Player): void {
    this.player = create((problem) => this.end(problem));
    this.look();
  }

  send(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += SLICE) this.outbox.push(bytes.subarray(at, at + SLICE));
  }

  /** Ends the connection when all has been sent. */
  close(): void {
    if (this.isOpen && this.outbox.length > 0) this.isClosing = true;
    else this.cut();
  }

  /** Sends what still can be, and ends: there is no later. */
  closeNow(): void {
    this.isClosing = true;
    if (this.isOpen) this.sendSlices(Infinity);
    this.cut();
  }

  /** Ends the connection. */
  cut(): void {
    this.isOver = true;
    this.timers.stopAll();
    const { player } = this;
    this.player = null;
    try {
      player?.nestwireClose?.();
    } catch {
      // the movie is gone, and its connection with it
    }
    player?.remove();
  }

  private look(): void {
    this.timers.start('tick', TICK, () => this.tick());
  }

  private tick(): void {
    // first of all: what comes may be the application's, and throw
    this.look();
    const { player } = this;
    if (!this.isConnecting) {
      // undefined: the movie does not run yet
      if (player?.nestwireConnect === undefined) return;
      this.isConnecting = true;
      this.call(() => player.nestwireConnect!(this.target.host, this.target.port));
      return;
    }
    const until = now() + BUDGET;
    this.take(until);
    if (this.isOpen && !this.isOver && this.outbox.length > 0) this.sendSlices(until);
  }

  private take(until: number): void {
    do {
      const taken = this.call(() => this.player!.nestwireTake!());
      if (taken === undefined) return;
      const [state] = taken;
      if (state === STATE.CLOSED) return this.end(undefined);
      if (state === STATE.FAILED) return this.end(taken.slice(1) || 'the connection failed');
      if (state === STATE.OPEN && !this.isOpen) {
        this.isOpen = true;
        this.sink.opened();
      }
      if (taken.length === 1) return;
      if (!this.isOver) this.sink.bytes(bytesOf(taken.slice(1)));
    } while (!this.isOver && now() < until);
  }

  private sendSlices(until: number): void {
    do {
      const slice = this.outbox.shift();
      if (slice === undefined) break;
      // an end that made it refuse comes with the next look
      if (!this.call(() => this.player!.nestwireSend!(base64(slice)))) return;
    } while (now() <= until);
    if (this.outbox.length > 0) return;
    if (this.isClosing) this.cut();
    else this.sink.sent();
  }

  /** Calls the movie, which throws when it is gone. */
  private call<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.end(String(error));
      return undefined;
    }
  }

  private end(problem: string | undefined): void {
    if (this.isOver) return;
    this.cut();
    this.sink.ended(problem);
  }
}

function now(): number {
  return performance.now();
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
