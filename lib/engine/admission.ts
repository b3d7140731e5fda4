import { isIPv6 } from 'node:net';
import { Refusal } from './errors.js';
import type { LimitOptions } from './options.js';

/** Milliseconds after which counts of handshakes begin anew. */
const WINDOW_MS = 1000;

/** Counts of one client address. */
interface AddressCounts {
  sessions: number;
  handshakes: number;
  windowStart: number;
}

/** What admission reads of the limits. */
export type AdmissionLimits = Readonly<
  Required<Pick<LimitOptions, 'maxSessions' | 'maxSessionsPerAddress' | 'maxHandshakesPerSecond'>>
>;

/**
 * Counts handshakes and sessions, and refuses those above the limits. Addresses are forgotten with their last session,
 * and those that never got one when their second is over, so that the table is bounded by what was let in.
 */
export class Admission {
  private readonly addresses = new Map<string, AddressCounts>();
  private readonly countsAddresses: boolean;
  private lastSweep = 0;

  constructor(private readonly limits: AdmissionLimits) {
    this.countsAddresses = limits.maxSessionsPerAddress !== Infinity || limits.maxHandshakesPerSecond !== Infinity;
  }

  /** @throws Refusal when one more handshake from this address is too many. */
  checkHandshake(address: string, sessions: number): void {
    this.checkSessions(address, sessions);
    if (this.countsAddresses && ++this.countsOf(address).handshakes > this.limits.maxHandshakesPerSecond) {
      throw new Refusal('TOO_MANY_HANDSHAKES', { name: 'maxHandshakesPerSecond', address });
    }
  }

  /** @throws Refusal when one more session of this address is too many. */
  checkSessions(address: string, sessions: number): void {
    const { maxSessions, maxSessionsPerAddress } = this.limits;
    if (sessions >= maxSessions) throw new Refusal('TOO_MANY_SESSIONS', { name: 'maxSessions' });
    if (this.countsAddresses && this.countsOf(address).sessions >= maxSessionsPerAddress) {
      throw new Refusal('TOO_MANY_SESSIONS', { name: 'maxSessionsPerAddress', address });
    }
  }

  /** A session began. */
  enter(address: string): void {
    if (this.countsAddresses) this.countsOf(address).sessions++;
  }

  /** A session ended. */
  leave(address: string): void {
    const counts = this.countsAddresses ? this.addresses.get(networkOf(address)) : undefined;
    if (counts !== undefined) counts.sessions--;
  }

  private countsOf(address: string): AddressCounts {
    const now = performance.now();
    if (now - this.lastSweep > WINDOW_MS) this.sweep(now);
    const network = networkOf(address);
    let counts = this.addresses.get(network);
    if (counts === undefined) {
      counts = { sessions: 0, handshakes: 0, windowStart: now };
      this.addresses.set(network, counts);
    } else if (now - counts.windowStart >= WINDOW_MS) {
      counts.handshakes = 0;
      counts.windowStart = now;
    }
    return counts;
  }

  private sweep(now: number): void {
    this.lastSweep = now;
    for (const [address, counts] of this.addresses) {
      if (counts.sessions <= 0 && now - counts.windowStart >= WINDOW_MS) this.addresses.delete(address);
    }
  }
}

/** Groups of an IPv6 address that name the network: what one subscriber gets is a /64 or more (RFC 6177). */
const NETWORK_GROUPS = 4;

/**
 * What is counted as one address: an IPv4 address, or an IPv6 network, for whoever has one address of it has all of them.
 */
export function networkOf(address: string): string {
  // an IPv4 address of a dual-stack socket is written ::ffff:192.0.2.1
  if (!isIPv6(address) || address.includes('.')) return address;
  const [start = '', end] = address.split('::');
  const groups = start === '' ? [] : start.split(':');
  if (end !== undefined) {
    const last = end === '' ? [] : end.split(':');
    while (groups.length + last.length < 8) groups.push('0');
    groups.push(...last);
  }
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}
