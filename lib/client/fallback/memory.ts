/*
 * What is known of the way to a server: how long a round trip takes, and which transports did not get through. A page keeps
 * it for its origin and server in sessionStorage, so that the next page need not find it out again; elsewhere it lives as
 * long as the list of transports it belongs to.
 */

/** Milliseconds for which a transport that failed is left out; twice as long with each time, up to the limit. */
const FORGET_AFTER = 60_000;
const FORGET_LIMIT = 30 * 60_000;

interface Failure {
  /** How often in a row. */
  times: number;
  /** By `Date.now()`. */
  until: number;
  /** It may have been the network: others are tried first, but it is not left out. */
  isSuspicion: boolean;
}

interface Known {
  /** Milliseconds from the first byte of a connection to the first packet. */
  roundTrip?: number;
  failures?: Record<string, Failure>;
}

/** The part of sessionStorage that is used. */
export interface VerdictStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** Remembers which transports get through to one server. */
export class Memory {
  private roundTripTime: number | undefined;
  private failures = new Map<string, Failure>();
  /** Connections in a row that no transport could make. */
  private fruitless = 0;

  constructor(
    private readonly storage: VerdictStorage | null,
    private readonly key: string,
  ) {
    try {
      const known = JSON.parse(storage?.getItem(key) ?? '{}') as Known;
      if (typeof known.roundTrip === 'number') this.roundTripTime = known.roundTrip;
      this.failures = new Map(Object.entries(known.failures ?? {}));
    } catch {
      // storage is forbidden, or holds what somebody else wrote: begin with nothing
    }
  }

  get roundTrip(): number | undefined {
    return this.roundTripTime;
  }

  /** By how much more time than usual to allow: when nothing got through, the network may be slower than thought. */
  get patience(): number {
    return 2 ** Math.min(this.fruitless, 3);
  }

  /** Whether a transport is to be left out for now. */
  isOut(name: string): boolean {
    const failure = this.failures.get(name);
    return failure !== undefined && !failure.isSuspicion && failure.until > Date.now();
  }

  /** Milliseconds until a transport that is left out is tried again. */
  timeOut(name: string): number {
    return this.isOut(name) ? this.failures.get(name)!.until - Date.now() : 0;
  }

  /** The transports to try, of some in order of preference. All when none is left. */
  order(names: readonly string[]): string[] {
    const left = names.filter((name) => !this.isOut(name));
    if (left.length === 0) return [...names];
    const isSuspect = (name: string): boolean => (this.failures.get(name)?.until ?? 0) > Date.now();
    return [...left.filter((name) => !isSuspect(name)), ...left.filter(isSuspect)];
  }

  /** A transport did not get through where another did. */
  failed(name: string): void {
    this.note(name, false);
  }

  /** A transport stopped working; it is to be seen whether it was the transport. The second time in a row it was. */
  suspected(name: string): void {
    const before = this.failures.get(name);
    this.note(name, before === undefined || before.until < Date.now());
  }

  /** A transport opened. @param roundTrip milliseconds that it took. */
  opened(roundTrip: number): void {
    this.fruitless = 0;
    this.roundTripTime = Math.round(roundTrip);
    this.save();
  }

  /** A transport has been in use for a time. A suspicion is not refuted by that: it is about what comes later. */
  proved(name: string): void {
    if (this.failures.get(name)?.isSuspicion) return;
    this.failures.delete(name);
    this.save();
  }

  /** No transport got through: it is not about transports. */
  nothingWorked(): void {
    this.fruitless++;
    this.failures.clear();
    this.save();
  }

  private note(name: string, isSuspicion: boolean): void {
    const times = (this.failures.get(name)?.times ?? 0) + 1;
    const until = Date.now() + Math.min(FORGET_AFTER * 2 ** (times - 1), FORGET_LIMIT);
    this.failures.set(name, { times, until, isSuspicion });
    this.save();
  }

  private save(): void {
    const known: Known = { roundTrip: this.roundTripTime, failures: Object.fromEntries(this.failures) };
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
