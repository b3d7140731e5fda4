import { handshakeOf } from '../handshake.js';
import { NO_SEAT, Seat } from './census.js';
import type { Attempt, Candidate, Course, EngineSocket } from './course.js';
import { allowance } from './memory.js';

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
  private current: { candidate: Candidate; name: string; since: number } | null = null;
  private readonly seat: Seat;
  /** Whether the poll that is open may wait at the server. */
  private isParked = false;
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
    this.seat = new Seat(engine, course.openChannel, () => this.seatChanged());
    engine.on('upgrade', (transport: Candidate) => this.upgraded(transport));
    engine.on('close', (reason: string) => this.closed(reason));
  }

  // The first transport, and the reserve.

  /** A transport begins to open as the first, or as the next after one that failed. */
  beginFirst(candidate: Candidate): void {
    this.note(candidate.attempt);
    this.first = candidate;
    if (candidate.isStream || candidate.name === RESERVE) this.seat.claim();
    if (!candidate.isStream || this.seat.holds) this.openFirst(candidate);
    // engine.io-client does not listen to it yet
    else if (this.seat.holds === false) queueMicrotask(() => this.seatChanged());
  }

  private openFirst(candidate: Candidate): void {
    this.beginnings.set(candidate.attempt, Date.now());
    this.firstSince = Date.now();
    if (candidate.name !== RESERVE) this.limitFirst(candidate);
    candidate.begin();
  }

  private limitFirst(candidate: Candidate): void {
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
    for (const { role, state, transport, reason } of this.attempts) {
      // now it is known that it was not the server
      if (role === 'first' && state === 'failed' && reason !== NO_SEAT) memory.failed(transport);
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
      if (reason !== NO_SEAT) this.course.memory.nothingWorked();
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
    this.seat.claim();
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
    // all of them are made in one turn, in the server's order; a timer of a hidden tab may take a second
    queueMicrotask(() => this.nextUpgrade());
  }

  upgradeFailed(candidate: Candidate, reason: string): void {
    this.forgetUpgrade(candidate);
    this.fail(candidate.attempt, reason);
    if (reason !== NO_SEAT) this.course.memory.failed(candidate.name);
    this.course.refresh();
    this.nextUpgrade();
    this.tryUnseated();
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
    if (next.isStream && this.seat.isCounted) {
      if (this.seat.holds === false) next.giveUp(NO_SEAT);
      if (!this.seat.holds || this.isParked) return;
    }
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

  // What the other tabs leave.

  /** A poll begins. @returns whether it may be parked. It holds a connection, and a stream that is tried needs that one. */
  mayPark(): boolean {
    const { seat, current, upgrades } = this;
    if (!seat.isCounted) return true;
    this.isParked = seat.holds === true && current !== null && upgrades.length === 0;
    if (!this.isParked) this.nextUpgrade();
    return this.isParked;
  }

  private seatChanged(): void {
    const { first } = this;
    if (!this.seat.holds) {
      this.giveSeatBack();
    } else if (first?.attempt.state === 'trying' && !this.hasBegun(first.attempt)) {
      this.openFirst(first);
    } else {
      this.nextUpgrade();
      this.tryUnseated();
    }
  }

  /** There was none, or too many were taken at once. */
  private giveSeatBack(): void {
    const { first, current, upgrades } = this;
    for (const candidate of [first, ...upgrades]) {
      const isAnswered = candidate !== first && this.hasBegun(candidate!.attempt) && !this.timers.has('upgrade-limit');
      if (candidate?.isStream && !isAnswered) candidate.giveUp(NO_SEAT);
    }
    if (!current?.candidate.isStream) return;
    // the next connection waits for its turn
    this.fail(current.candidate.attempt, NO_SEAT);
    current.candidate.close();
  }

  /** Tries the streams for which there was no seat. */
  private tryUnseated(): void {
    if (!this.seat.holds || this.current?.name !== RESERVE) return;
    const last = new Map(this.attempts.map(({ transport, reason }) => [transport, reason]));
    this.probe([...last.keys()].filter((name) => last.get(name) === NO_SEAT));
  }

  // Later.

  private use(candidate: Candidate): void {
    const { name, attempt } = candidate;
    this.decide(attempt, 'open');
    this.current = { candidate, name, since: Date.now() };
    if (!candidate.isStream && name !== RESERVE) this.seat.leave();
    // it was lost while the stream opened
    if (candidate.isStream && !this.seat.holds) queueMicrotask(() => this.seatChanged());
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
    this.seat.leave();
    if (reason === 'ping timeout' && current !== null && current.name !== RESERVE) {
      this.course.memory.suspected(current.name);
    }
    this.course.refresh();
  }

  /** Tries again, in the background, what is better than what is in use and was left out long enough. */
  private scheduleRetry(): void {
    const { current, course } = this;
    this.stopTimer('retry');
    if (current === null) return;
    const better = course.preference.slice(0, Math.max(0, course.preference.indexOf(current.name)));
    const [next] = better
      .filter((name) => this.canProbe(name) && course.memory.isOut(name))
      .sort((a, b) => course.memory.timeOut(a) - course.memory.timeOut(b));
    if (next === undefined) return;
    this.startTimer('retry', Math.min(course.memory.timeOut(next) + 1, MAX_TIMER), () => this.retry(next));
  }

  private retry(name: string): void {
    if (this.engine.readyState !== 'open' || this.current === null) return;
    this.course.refresh();
    this.probe([name]);
    this.scheduleRetry();
  }

  private canProbe(name: string): boolean {
    const { engine } = this;
    const isOffered = handshakeOf(engine)?.upgrades.includes(name);
    return Boolean(isOffered) && typeof engine._probe === 'function' && engine.opts.upgrade !== false;
  }

  private probe(names: readonly string[]): void {
    const { engine, course } = this;
    const { _transportsByName: classes } = engine;
    if (engine.readyState !== 'open' || engine.upgrading || this.upgrades.length > 0 || classes === undefined) return;
    for (const name of names) {
      if (!this.canProbe(name)) continue;
      // it may have been left out when this engine was made
      classes[name] ??= course.classOf(name);
      engine._probe!(name);
    }
  }

  private note(attempt: Attempt): void {
    this.attempts.push(attempt);
    if (attempt.role === 'reserve') this.beginnings.set(attempt, Date.now());
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
