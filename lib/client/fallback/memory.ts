/*
 * What is known of the way to a server: how long a round trip takes, and which transports did not get through. Pages of an
 * origin share it in localStorage, for each server, so that a tab need not find out again what another has; elsewhere it
 * lives as long as the list of transports it belongs to. It is read anew each time, since others write it too.
 */

const MINUTE = 60_000;

/** Minutes for which a transport that failed is left out; by how much longer with each time; and at most. */
const REFUSED = [1, 2, 30] as const;

/**
 * The same for one that was not answered: Firefox keeps the connection of such a WebSocket, though it was closed, and has
 * only six.
 */
const SILENT = [10, 6, 24 * 60] as const;

/** Milliseconds after which a failure whose time is over is none any more: nobody was there to try again. */
const FORGET_AFTER = 30 * MINUTE;

/** Milliseconds for which a tab that tries what may fall silent has others wait, should it be gone before it knows. */
const TURN = 6000;

interface Failure {
  /** How often in a row. */
  times: number;
  /** By `Date.now()`. */
  until: number;
  /** It may have been the network: others are tried first, but it is not left out. */
  isSuspicion?: boolean;
  /** It was not answered. */
  isSilent?: boolean;
}

interface Known {
  /** Milliseconds from the first byte of a connection to the first packet. */
  roundTrip?: number;
  failures: Record<string, Failure>;
  /** Until when a tab tries a transport, by `Date.now()`; negative: until when it can be tried by all, since it works. */
  turns: Record<string, number>;
}

/** The part of localStorage that is used. */
export interface VerdictStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/**
 * Remembers which transports get through to one server.
 *
 * @package
 */
export class Memory {
  private last: Known = { failures: {}, turns: {} };
  /** Connections in a row that no transport could make. */
  private fruitless = 0;

  constructor(
    private readonly storage: VerdictStorage | null,
    private readonly key: string,
  ) {}

  get roundTrip(): number | undefined {
    return this.known.roundTrip;
  }

  /** By how much more time than usual to allow: when nothing got through, the network may be slower than thought. */
  get patience(): number {
    return 2 ** Math.min(this.fruitless, 3);
  }

  /** Connections that a browser may have kept of what fell silent. */
  get kept(): number {
    return Object.values(this.known.failures).reduce((sum, { isSilent, times }) => sum + (isSilent ? times : 0), 0);
  }

  /** Whether a transport is to be left out for now. */
  isOut(name: string): boolean {
    const failure = this.known.failures[name];
    return failure !== undefined && !failure.isSuspicion && failure.until > Date.now();
  }

  /** Milliseconds until a transport that is left out, or that another tab is trying, can be tried; 0 for all others. */
  waitFor(name: string): number {
    const { failures, turns } = this.known;
    const until = this.isOut(name) ? failures[name]!.until : (turns[name] ?? 0);
    return Math.max(0, until - Date.now());
  }

  /** The transports to try, of some in order of preference. All when none is left. */
  order(names: readonly string[]): string[] {
    const { failures } = this.known;
    const left = names.filter((name) => !this.isOut(name));
    const isSuspect = (name: string): number => Number((failures[name]?.until ?? 0) > Date.now());
    return left.length > 0 ? left.sort((a, b) => isSuspect(a) - isSuspect(b)) : [...names];
  }

  /** Takes the turn to try what may fall silent, unless it works at the moment. @returns false while another tab has it. */
  takeTurn(name: string): boolean {
    const { known } = this;
    const turn = known.turns[name] ?? 0;
    const now = Date.now();
    if (turn > now) return false;
    if (turn > -now) {
      known.turns[name] = now + TURN;
      this.save(known);
    }
    return true;
  }

  /** Gives the turn back: it is known what comes of it. @param works so that nobody has to wait for the next moment. */
  endTurn(name: string, works = false): void {
    const { known } = this;
    known.turns[name] = works ? -Date.now() - TURN : 0;
    this.save(known);
  }

  /** A transport did not get through where another did. @param isSilent for want of an answer. */
  failed(name: string, isSilent = false): void {
    // a browser may tell the tabs too late whose turn it is; but browsers as well open one WebSocket at a time
    if (!isSilent || !this.isOut(name)) this.note(name, { isSilent });
  }

  /** A transport stopped working; it is to be seen whether it was the transport. The second time in a row it was. */
  suspected(name: string): void {
    const before = this.known.failures[name];
    this.note(name, { isSuspicion: before === undefined || before.until < Date.now() });
  }

  /** A transport opened. @param roundTrip milliseconds that it took. */
  opened(roundTrip: number): void {
    this.fruitless = 0;
    this.save({ ...this.known, roundTrip: Math.round(roundTrip) });
  }

  /** A transport has been in use for a time. A suspicion is not refuted by that: it is about what comes later. */
  proved(name: string): void {
    this.forget((other, { isSuspicion }) => other === name && !isSuspicion);
  }

  /** No transport got through: it is not about transports. What falls silent may do so all the same. */
  nothingWorked(): void {
    this.fruitless++;
    this.forget((_name, { isSilent }) => !isSilent);
  }

  /** The network has gone, and with it all its connections; the next may be another. */
  forget(which: (name: string, failure: Failure) => unknown = () => true): void {
    const { known } = this;
    for (const [name, failure] of Object.entries(known.failures)) if (which(name, failure)) delete known.failures[name];
    this.save(known);
  }

  private note(name: string, kind: Pick<Failure, 'isSuspicion' | 'isSilent'>): void {
    const { known } = this;
    const before = known.failures[name]?.times ?? 0;
    const [first, factor, limit] = kind.isSilent ? SILENT : REFUSED;
    const minutes = Math.min(first * factor ** before, limit);
    known.failures[name] = { times: before + 1, until: Date.now() + minutes * MINUTE, ...kind };
    this.save(known);
  }

  /** What is known by now. A failure that nobody has looked after for long is none any more. */
  private get known(): Known {
    try {
      const known = (JSON.parse(this.storage?.getItem(this.key) ?? 'null') ?? this.last) as Known;
      const { failures, turns } = known;
      for (const name in failures) if (!(failures[name]!.until > Date.now() - FORGET_AFTER)) delete failures[name];
      if (failures && turns) this.last = known;
    } catch {
      // storage is forbidden, or holds what somebody else wrote: what this page knows is enough
    }
    return this.last;
  }

  private save(known: Known): void {
    this.last = known;
    try {
      this.storage?.setItem(this.key, JSON.stringify(known));
    } catch {
      // full or forbidden: then the next page finds it out again
    }
  }
}

/**
 * Time to allow for an answer: SockJS's rule, from a time that was measured.
 *
 * @param roundTrip milliseconds.
 */
export function allowance(roundTrip: number): number {
  return roundTrip > 100 ? 4 * roundTrip : roundTrip + 300;
}
