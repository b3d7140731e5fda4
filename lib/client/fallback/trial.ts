import { handshakeOf } from '../handshake.js';
import { allowance, type Memory } from './memory.js';

/*
 * How one connection finds its transport.
 *
 * The first of the list is opened. When its first packet does not come in the time that networks take, polling is opened
 * beside it, in reserve: polling gets through almost everywhere, and one that is not needed says goodbye and leaves nothing
 * behind on the server. The reserve's own time tells how long a round trip is, and so how long the first may take. If that
 * is over, the connection goes on with the reserve, and whatever else is in the list is tried by the probe of an Engine.IO
 * upgrade, one at a time and best first, while messages already flow.
 *
 * Without polling in the list, or with `upgrade: false`, the transports are tried one after the other.
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

/** What a trial needs of a transport. */
export interface Candidate {
  readonly name: string;
  readonly attempt: Attempt;
  /** Begins to open, once it is its turn. */
  begin(): void;
  /** Ends it with an error. */
  giveUp(reason: string): void;
  /** Ends it without a word to whoever listens. */
  close(): unknown;
}

/** What the trials of one list of transports share. */
export interface Course {
  readonly memory: Memory;
  /** Names, best first. */
  readonly preference: readonly string[];
  classOf(name: string): unknown;
  /** Brings the list into the order that the memory gives. */
  refresh(): void;
  /** Told of every transport that failed. */
  readonly onFallback: ((attempt: Attempt) => void) | undefined;
}

/** The parts of engine.io-client's Socket that are used. */
export interface EngineSocket {
  readonly opts: { tryAllTransports?: boolean; upgrade?: boolean };
  readonly transports: string[];
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

/** The transport that is opened in reserve, and that gets through where others do not. */
export const RESERVE = 'polling';

/** Milliseconds after which polling is opened in reserve when nothing is known of the network. */
const FIRST_PATIENCE = 300;

/** Milliseconds that the first may take: with something in reserve, and without. */
const RESERVED_LIMIT = 5000;
const UNRESERVED_LIMIT = 2000;

/** Milliseconds that a candidate of an upgrade may take, at least. */
const UPGRADE_LIMIT = 1000;

/** Milliseconds within which a connection that opened and is cut was not worth much. */
const EARLY = 5000;

/** The slowest retry of what was left out: a timer holds 32 bits. */
const MAX_TIMER = 2 ** 31 - 1;

type Timer = ReturnType<typeof setTimeout>;

/** One connection's search. */
export class Trial {
  readonly attempts: Attempt[] = [];
  /** Whether the transport that is being made is the reserve. */
  isMakingReserve = false;
  private first: Candidate | null = null;
  private firstSince = 0;
  private reserve: Candidate | null = null;
  private reserveFailed = false;
  private current: { name: string; since: number } | null = null;
  private readonly upgrades: Candidate[] = [];
  private readonly timers = new Map<string, Timer>();
  /** By `Date.now()`. */
  private readonly beginnings = new Map<Attempt, number>();

  constructor(
    private readonly engine: EngineSocket,
    private readonly course: Course,
  ) {
    engine.attempts = this.attempts;
    engine.opts.tryAllTransports = true;
    engine.on('upgrade', (transport: Candidate) => this.upgraded(transport));
    engine.on('close', (reason: string) => this.closed(reason));
  }

  // The first transport, and the reserve.

  /** A transport begins to open as the first, or as the next after one that failed. */
  beginFirst(candidate: Candidate): void {
    this.note(candidate.attempt);
    this.first = candidate;
    this.firstSince = Date.now();
    if (candidate.name === RESERVE) return;
    const { roundTrip, patience } = this.course.memory;
    const expected = roundTrip === undefined ? FIRST_PATIENCE : allowance(roundTrip);
    if (this.hasReserve) this.startTimer('reserve', expected, () => this.openReserve());
    const limit = this.hasReserve ? RESERVED_LIMIT : Math.max(UNRESERVED_LIMIT, 2 * expected);
    this.startTimer('first', limit * patience, () => this.passOver(candidate));
  }

  /** Takes the reserve as the transport that the engine is to open next. */
  takeReserve(): Candidate | null {
    const { reserve } = this;
    this.reserve = null;
    if (reserve !== null) {
      reserve.attempt.role = 'first';
      this.first = reserve;
    }
    return reserve;
  }

  /** The first packet came by a transport. */
  opened(candidate: Candidate): void {
    const { memory } = this.course;
    this.stopTimers();
    this.dropReserve();
    this.use(candidate);
    memory.opened(candidate.attempt.milliseconds!);
    for (const { role, state, transport } of this.attempts) {
      // now it is known that it was not the server
      if (role === 'first' && state === 'failed') memory.failed(transport);
    }
    this.course.refresh();
    this.scheduleRetry();
  }

  /** The first packet did not come, and will not. Called before engine.io-client hears of it and takes the next. */
  firstFailed(candidate: Candidate, reason: string): void {
    this.stopTimers();
    this.fail(candidate.attempt, reason);
    const names = this.engine.transports;
    if (names.length <= 1) {
      this.course.memory.nothingWorked();
    } else if (candidate.name !== RESERVE && this.hasReserve && !this.reserveFailed) {
      // engine.io-client takes the first away and opens the second
      const rest = names.slice(1).filter((name) => name !== RESERVE);
      names.splice(1, names.length, RESERVE, ...rest);
    }
  }

  reserveOpened(candidate: Candidate): void {
    const { first } = this;
    if (this.reserve !== candidate || first === null) return;
    const measured = Date.now() - this.begun(candidate.attempt);
    candidate.attempt.milliseconds = measured;
    const left = this.firstSince + allowance(measured) - Date.now();
    this.startTimer('first', Math.max(0, left), () => this.passOver(first));
  }

  reserveFailedToOpen(candidate: Candidate, reason: string): void {
    this.reserve = null;
    this.reserveFailed = true;
    this.fail(candidate.attempt, reason);
  }

  private get hasReserve(): boolean {
    return this.engine.opts.upgrade !== false && this.engine.transports.includes(RESERVE);
  }

  private openReserve(): void {
    this.reserveFailed = false;
    this.isMakingReserve = true;
    const reserve = this.engine.createTransport(RESERVE) as Candidate & { open(): void };
    this.isMakingReserve = false;
    this.reserve = reserve;
    this.note(reserve.attempt);
    reserve.open();
  }

  private passOver(candidate: Candidate): void {
    candidate.giveUp(`nothing came in ${Date.now() - this.firstSince} ms`);
  }

  private dropReserve(): void {
    const { reserve } = this;
    this.reserve = null;
    reserve?.close();
  }

  // Upgrades.

  /** A candidate of an upgrade waits for its turn: the server tries one at a time. */
  addUpgrade(candidate: Candidate): void {
    this.note(candidate.attempt);
    this.upgrades.push(candidate);
    // all of them are made in one turn, in the server's order
    this.startTimer('upgrade', 0, () => this.nextUpgrade());
  }

  upgradeFailed(candidate: Candidate, reason: string): void {
    this.forgetUpgrade(candidate);
    this.fail(candidate.attempt, reason);
    this.course.memory.failed(candidate.name);
    this.course.refresh();
    this.nextUpgrade();
    this.scheduleRetry();
  }

  /** The server answered the candidate's probe; from here on engine.io-client must not be disturbed. */
  upgradeAnswered(): void {
    this.stopTimer('upgrade-limit');
  }

  private nextUpgrade(): void {
    const rank = ({ name }: Candidate): number => this.course.preference.indexOf(name);
    const [next] = [...this.upgrades].sort((a, b) => rank(a) - rank(b));
    if (next === undefined || this.upgrades.some(({ attempt }) => this.hasBegun(attempt))) return;
    const { roundTrip = 0, patience } = this.course.memory;
    const limit = Math.max(UPGRADE_LIMIT, 2 * allowance(roundTrip)) * patience;
    this.startTimer('upgrade-limit', limit, () => next.giveUp(`no answer in ${limit} ms`));
    this.beginnings.set(next.attempt, Date.now());
    next.begin();
  }

  private forgetUpgrade(candidate: Candidate): void {
    const index = this.upgrades.indexOf(candidate);
    if (index === -1) return;
    this.upgrades.splice(index, 1);
    if (this.hasBegun(candidate.attempt)) this.stopTimer('upgrade-limit');
  }

  private upgraded(transport: Candidate): void {
    this.stopTimer('upgrade-limit');
    this.forgetUpgrade(transport);
    this.use(transport);
    this.course.refresh();
    this.scheduleRetry();
  }

  // Later.

  private use(candidate: Candidate): void {
    const { name, attempt } = candidate;
    this.decide(attempt, 'open');
    this.current = { name, since: Date.now() };
    this.startTimer('proof', EARLY, () => this.course.memory.proved(name));
  }

  /** A transport was closed by whoever uses it. */
  dropped(candidate: Candidate): void {
    this.forgetUpgrade(candidate);
    if (candidate.attempt.state === 'trying') this.decide(candidate.attempt, 'dropped');
  }

  /** The transport in use was cut. */
  wasCut(candidate: Candidate): void {
    if (this.current?.name !== candidate.name || Date.now() - this.current.since > EARLY) return;
    this.demote(candidate, 'cut after it had opened');
  }

  /** The transport in use does not work any more, and it is not the network. */
  demote(candidate: Candidate, reason: string): void {
    if (candidate.name === RESERVE) return;
    this.fail(candidate.attempt, reason);
    this.course.memory.failed(candidate.name);
  }

  private closed(reason: string): void {
    const { current } = this;
    this.current = null;
    this.stopTimers();
    this.dropReserve();
    if (reason === 'ping timeout' && current !== null && current.name !== RESERVE) {
      this.course.memory.suspected(current.name);
    }
    this.course.refresh();
  }

  /** Tries again, in the background, what is better than what is in use and was left out long enough. */
  private scheduleRetry(): void {
    const { current, course, engine } = this;
    this.stopTimer('retry');
    if (current === null || typeof engine._probe !== 'function' || engine.opts.upgrade === false) return;
    const offered = handshakeOf(engine)?.upgrades ?? [];
    const better = course.preference.slice(0, Math.max(0, course.preference.indexOf(current.name)));
    const [next] = better
      .filter((name) => offered.includes(name) && course.memory.isOut(name))
      .sort((a, b) => course.memory.timeOut(a) - course.memory.timeOut(b));
    if (next === undefined) return;
    this.startTimer('retry', Math.min(course.memory.timeOut(next) + 1, MAX_TIMER), () => this.retry(next));
  }

  private retry(name: string): void {
    const { engine, course } = this;
    if (engine.readyState !== 'open' || this.current === null) return;
    course.refresh();
    if (!engine.upgrading && this.upgrades.length === 0 && engine._transportsByName !== undefined) {
      // it may have been left out when this engine was made
      engine._transportsByName[name] ??= course.classOf(name);
      engine._probe?.(name);
    }
    this.scheduleRetry();
  }

  private note(attempt: Attempt): void {
    this.attempts.push(attempt);
    if (attempt.role !== 'upgrade') this.beginnings.set(attempt, Date.now());
  }

  private hasBegun(attempt: Attempt): boolean {
    return this.beginnings.has(attempt);
  }

  private begun(attempt: Attempt): number {
    return this.beginnings.get(attempt) ?? Date.now();
  }

  private decide(attempt: Attempt, state: Attempt['state']): void {
    attempt.state = state;
    attempt.milliseconds ??= Date.now() - this.begun(attempt);
  }

  private fail(attempt: Attempt, reason: string): void {
    this.decide(attempt, 'failed');
    attempt.reason = reason;
    this.engine.emit('fallback', attempt);
    this.course.onFallback?.(attempt);
  }

  private startTimer(name: string, delay: number, callback: () => void): void {
    this.stopTimer(name);
    const timer = this.engine.setTimeoutFn(callback, delay);
    // a search keeps no process alive; the connection does
    (timer as { unref?: () => void }).unref?.();
    this.timers.set(name, timer);
  }

  private stopTimer(name: string): void {
    this.engine.clearTimeoutFn(this.timers.get(name));
    this.timers.delete(name);
  }

  private stopTimers(): void {
    for (const name of this.timers.keys()) this.stopTimer(name);
  }
}
