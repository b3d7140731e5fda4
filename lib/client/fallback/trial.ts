import { handshakeOf } from '../handshake.js';
import { onPageHide, type PageHideEvent } from '../page-hide.js';
import { Timers } from '../timers.js';
import { NO_SEAT, Seat } from './census.js';
import type { Attempt, Candidate, Course, EngineSocket, TimerName } from './course.js';
import { allowance } from './memory.js';
import { NO_TURN, Turn } from './turn.js';

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

/**
 * One connection's search.
 *
 * @package
 */
export class Trial {
  readonly attempts: Attempt[] = [];
  /** Whether the transport that is being made is the reserve. */
  isMakingReserve = false;
  private first: Candidate | null = null;
  private firstSince = 0;
  private reserve: Candidate | null = null;
  private reserveFailed = false;
  /** The transport in use, and since when. */
  private current: Candidate | null = null;
  private currentSince = 0;
  private readonly seat: Seat;
  /** Whether the poll that is open may wait at the server. */
  private isParked = false;
  private readonly upgrades: Candidate[] = [];
  private readonly turn: Turn;
  private readonly timers: Timers<TimerName>;
  /** By `Date.now()`. */
  private readonly beginnings = new Map<Attempt, number>();

  constructor(
    private readonly engine: EngineSocket,
    private readonly course: Course,
  ) {
    engine.attempts = this.attempts;
    engine.opts.tryAllTransports = true;
    this.timers = new Timers(engine);
    this.turn = new Turn(engine, course.memory, this.timers);
    this.seat = new Seat(engine, course.openChannel, () => course.memory.kept, () => this.seatChanged()); // prettier-ignore
    engine.on('upgrade', (transport: Candidate) => this.upgraded(transport));
    engine.on('close', (reason: string, details: any) => this.closed(reason, details?.description));
  }

  // The first transport, and the reserve.

  /** A transport begins to open as the first, or as the next after one that failed. */
  beginFirst(candidate: Candidate): void {
    this.attempts.push(candidate.attempt);
    this.first = candidate;
    if (candidate.isHttp) this.seat.claim();
    if (!candidate.isStream || this.seat.holds) this.openFirst(candidate);
    // engine.io-client does not listen to it yet
    else if (this.seat.holds === false) queueMicrotask(() => this.seatChanged());
  }

  private openFirst(candidate: Candidate): void {
    this.beginnings.set(candidate.attempt, Date.now());
    this.firstSince = Date.now();
    if (candidate.name !== RESERVE) this.limitFirst(candidate);
    this.turn.take(candidate, () => candidate.begin());
  }

  private limitFirst(candidate: Candidate): void {
    const { roundTrip, patience } = this.course.memory;
    const expected = roundTrip === undefined ? FIRST_PATIENCE : allowance(roundTrip);
    if (this.hasReserve) this.timers.start('reserve', expected, () => this.openReserve());
    const limit = this.hasReserve ? RESERVED_LIMIT : Math.max(UNRESERVED_LIMIT, 2 * expected);
    this.timers.start('first', limit * patience, () => this.passOver(candidate));
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
    this.timers.stopAll();
    this.dropReserve();
    this.use(candidate);
    memory.opened(candidate.attempt.milliseconds!);
    // now it is known that it was not the server
    for (const attempt of this.attempts)
      if (attempt.role === 'first' && attempt.state === 'failed') this.blame(attempt);
    this.course.refresh();
    this.scheduleRetry();
  }

  /** The first packet did not come, and will not. Called before engine.io-client hears of it and takes the next. */
  firstFailed(candidate: Candidate, reason: string): void {
    this.timers.stopAll();
    this.fail(candidate.attempt, reason);
    const names = this.engine.transports;
    if (names.length <= 1) {
      if (reason !== NO_SEAT) this.course.memory.nothingWorked();
      this.turn.end();
    } else if (candidate.name !== RESERVE && this.hasReserve && !this.reserveFailed) {
      // engine.io-client takes the first away and opens the second
      const rest = names.slice(1).filter((name) => name !== RESERVE);
      names.splice(1, names.length, RESERVE, ...rest);
    }
  }

  reserveOpened(candidate: Candidate): void {
    const { first } = this;
    if (this.reserve !== candidate || first === null) return;
    const measured = Date.now() - this.beginnings.get(candidate.attempt)!;
    candidate.attempt.milliseconds = measured;
    const left = this.firstSince + allowance(measured) - Date.now();
    this.timers.start('first', left, () => this.passOver(first));
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
    this.attempts.push(reserve.attempt);
    this.beginnings.set(reserve.attempt, Date.now());
    this.seat.claim();
    reserve.open();
  }

  private passOver(candidate: Candidate): void {
    this.turn.giveUp(candidate, `nothing came in ${Date.now() - this.firstSince} ms`);
  }

  private dropReserve(): void {
    const { reserve } = this;
    this.reserve = null;
    reserve?.close();
  }

  // Upgrades.

  /** A candidate of an upgrade waits for its turn: the server tries one at a time. */
  addUpgrade(candidate: Candidate): void {
    this.attempts.push(candidate.attempt);
    this.upgrades.push(candidate);
    // all of them are made in one turn, in the server's order; a timer of a hidden tab may take a second
    queueMicrotask(() => this.nextUpgrade());
  }

  upgradeFailed(candidate: Candidate, reason: string): void {
    this.forgetUpgrade(candidate);
    this.fail(candidate.attempt, reason);
    this.blame(candidate.attempt);
    this.turn.end();
    this.course.refresh();
    this.nextUpgrade();
    this.tryUnseated();
    this.scheduleRetry();
  }

  /** The server answered the candidate's probe; from here on engine.io-client must not be disturbed. */
  upgradeAnswered(): void {
    this.timers.stop('upgrade-limit');
  }

  private nextUpgrade(): void {
    const rank = ({ name }: Candidate): number => this.course.preference.indexOf(name);
    const [next] = [...this.upgrades].sort((a, b) => rank(a) - rank(b));
    if (next === undefined || this.upgrades.some(({ attempt }) => this.beginnings.has(attempt))) return;
    if (next.isStream && this.seat.isCounted) {
      if (this.seat.holds === false) next.giveUp(NO_SEAT);
      if (!this.seat.holds || this.isParked) return;
    }
    this.turn.take(next, () => {
      const { roundTrip = 0, patience } = this.course.memory;
      const limit = Math.max(UPGRADE_LIMIT, 2 * allowance(roundTrip)) * patience;
      this.timers.start('upgrade-limit', limit, () => this.turn.giveUp(next, `no answer in ${limit} ms`));
      this.beginnings.set(next.attempt, Date.now());
      next.begin();
    });
  }

  private forgetUpgrade(candidate: Candidate): void {
    const index = this.upgrades.indexOf(candidate);
    if (index === -1) return;
    this.upgrades.splice(index, 1);
    if (this.beginnings.has(candidate.attempt)) this.timers.stop('upgrade-limit');
  }

  private upgraded(transport: Candidate): void {
    this.timers.stop('upgrade-limit');
    this.forgetUpgrade(transport);
    this.use(transport);
    this.course.refresh();
    this.scheduleRetry();
  }

  // What the other tabs leave.

  /** Remembers that a transport failed where another works, unless it was for want of something here. */
  private blame(attempt: Attempt): void {
    const { transport, reason } = attempt;
    if (reason === NO_SEAT || reason === NO_TURN) return;
    const isSilent = attempt === this.turn.silent;
    this.course.memory.failed(transport, isSilent);
    if (isSilent) this.seat.recount();
  }

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
    } else if (first?.attempt.state === 'trying' && !this.beginnings.has(first.attempt)) {
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
      const isAnswered =
        candidate !== first && this.beginnings.has(candidate!.attempt) && !this.timers.has('upgrade-limit');
      if (candidate?.isStream && !isAnswered) candidate.giveUp(NO_SEAT);
    }
    if (!current?.isStream) return;
    // the next connection waits for its turn
    this.fail(current.attempt, NO_SEAT);
    current.close();
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
    this.current = candidate;
    onPageHide('add', this.onPageHide);
    this.currentSince = Date.now();
    if (!candidate.isHttp) this.seat.leave();
    // it was lost while the stream opened
    if (candidate.isStream && !this.seat.holds) queueMicrotask(() => this.seatChanged());
    this.timers.start('proof', EARLY, () => this.course.memory.proved(name));
  }

  /** A transport was closed by whoever uses it. */
  dropped(candidate: Candidate): void {
    this.forgetUpgrade(candidate);
    if (candidate.attempt.state === 'trying') this.decide(candidate.attempt, 'dropped');
  }

  /** The transport in use was cut. */
  wasCut(candidate: Candidate): void {
    if (this.current?.name !== candidate.name || Date.now() - this.currentSince > EARLY) return;
    this.demote(candidate, 'cut after it had opened');
  }

  /** The transport in use does not work any more, and it is not the network. */
  demote(candidate: Candidate, reason: string): void {
    if (candidate.name === RESERVE) return;
    this.fail(candidate.attempt, reason);
    this.course.memory.failed(candidate.name);
  }

  private readonly onPageHide = (event: PageHideEvent): void => this.current?.hide(event);

  private closed(reason: string, description: unknown): void {
    const { current } = this;
    this.current = null;
    this.timers.stopAll();
    this.dropReserve();
    this.seat.leave();
    onPageHide('remove', this.onPageHide);
    // what engine.io-client says when the browser is offline
    if (description === 'network connection lost') this.course.memory.forget();
    if (reason === 'ping timeout' && current !== null && current.name !== RESERVE) {
      this.course.memory.suspected(current.name);
    }
    this.course.refresh();
  }

  /** Tries again, in the background, what is better than what is in use and was left out long enough. */
  private scheduleRetry(): void {
    const { current, course } = this;
    this.timers.stop('retry');
    if (current === null) return;
    const better = course.preference.slice(0, course.preference.indexOf(current.name));
    const [next] = better
      .filter((name) => this.canProbe(name) && course.memory.waitFor(name) > 0)
      .sort((a, b) => course.memory.waitFor(a) - course.memory.waitFor(b));
    if (next === undefined) return;
    this.timers.start('retry', course.memory.waitFor(next) + 1, () => this.retry(next));
  }

  private retry(name: string): void {
    if (this.engine.readyState !== 'open' || this.current === null) return;
    this.course.refresh();
    // unless another tab has tried it
    if (!this.course.memory.isOut(name)) this.probe([name]);
    this.scheduleRetry();
  }

  private canProbe(name: string): boolean {
    const { engine } = this;
    const isOffered = handshakeOf(engine)?.upgrades.includes(name);
    return Boolean(isOffered && engine._probe) && engine.opts.upgrade !== false;
  }

  private probe(names: readonly string[]): void {
    const { engine, course } = this;
    const { _transportsByName: classes } = engine;
    if (engine.readyState !== 'open' || engine.upgrading || this.upgrades.length > 0) return;
    for (const name of names) {
      if (!this.canProbe(name)) continue;
      // it may have been left out when this engine was made
      classes![name] ??= course.classOf(name);
      engine._probe!(name);
    }
  }

  private decide(attempt: Attempt, state: Attempt['state']): void {
    attempt.state = state;
    attempt.milliseconds ??= Date.now() - (this.beginnings.get(attempt) ?? Date.now());
    // of what failed the others shall hear first whether it is held against it
    if (state !== 'failed') this.turn.end(state === 'open' ? attempt.transport : '');
  }

  private fail(attempt: Attempt, reason: string): void {
    this.decide(attempt, 'failed');
    attempt.reason = reason;
    this.engine.emit('fallback', attempt);
    this.course.onFallback?.(attempt);
  }
}
