import type { DeadlineEntry, DeadlineQueue, Deadlines } from './deadlines.js';
import { deadlineEntry } from './deadlines.js';
import type { ProtocolVersion } from './protocol/codec.js';

/** What a heartbeat does with a session. */
export interface Heartbeating {
  readonly protocol: ProtocolVersion;
  /** Time for a server ping (revision 4). */
  sendPing(): void;
  /** Nothing was heard in time. */
  pingTimedOut(): void;
}

/** Times in milliseconds. */
export interface HeartbeatOptions {
  readonly pingInterval: number;
  readonly pingTimeout: number;
}

/** One session's place in the heartbeat. */
export interface Pulse {
  readonly entry: DeadlineEntry<Heartbeating>;
  /** Whether the current wait for a pong was already extended once. */
  extended: boolean;
}

/**
 * Heartbeats of all sessions of an engine. Revision 4: the server pings every `pingInterval` and waits `pingTimeout` for
 * the pong; other packets meanwhile extend that wait once, since on a slow uplink a pong queues behind them. Revision 3:
 * the client pings, and must do so within `pingInterval + pingTimeout`.
 */
export class Heartbeat {
  private readonly untilPing: DeadlineQueue<Heartbeating>;
  private readonly untilPong: DeadlineQueue<Heartbeating>;
  private readonly untilClientPing: DeadlineQueue<Heartbeating>;

  constructor(deadlines: Deadlines, { pingInterval, pingTimeout }: HeartbeatOptions) {
    this.untilPing = deadlines.queue(pingInterval, (session) => session.sendPing());
    this.untilPong = deadlines.queue(pingTimeout, (session) => session.pingTimedOut());
    this.untilClientPing = deadlines.queue(pingInterval + pingTimeout, (session) => session.pingTimedOut());
  }

  /** Begins a session's heartbeat. */
  start(session: Heartbeating): Pulse {
    const pulse: Pulse = { entry: deadlineEntry(session), extended: false };
    this.beat(pulse);
    return pulse;
  }

  /** The session was heard as its protocol wants it: a pong (revision 4) or a ping (revision 3). */
  beat(pulse: Pulse): void {
    const queue = pulse.entry.item.protocol === 3 ? this.untilClientPing : this.untilPing;
    queue.schedule(pulse.entry);
  }

  /** A ping was sent; its pong is awaited. */
  pinged(pulse: Pulse): void {
    pulse.extended = false;
    this.untilPong.schedule(pulse.entry);
  }

  /** Any other packet came. */
  heard(pulse: Pulse): void {
    if (pulse.entry.queue !== this.untilPong || pulse.extended) return;
    pulse.extended = true;
    this.untilPong.schedule(pulse.entry);
  }

  /** Ends a session's heartbeat. */
  stop({ entry }: Pulse): void {
    entry.queue?.cancel(entry);
  }
}
