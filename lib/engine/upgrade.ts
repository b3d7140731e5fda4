import { deadlineEntry, type DeadlineEntry } from './deadlines.js';
import type { Packet } from './protocol/packet.js';
import type { Session } from './session.js';
import type { Transport, TransportSink } from './transports/transport.js';

/**
 * A session's change of transport, by the Engine.IO probe: the client opens a candidate, sends `2probe` over it, gets
 * `3probe`, stops using the old transport and sends `5`; from then on the candidate is the transport. While the probe
 * runs, responses parked on the old transport are finished again and again, since the client waits for its open request
 * before it sends the `5`.
 *
 * This is the candidate's sink until the session takes its place.
 */
export class Upgrade implements TransportSink {
  /** The wait for the whole upgrade. @internal */
  readonly timeout: DeadlineEntry<Upgrade>;
  /** The wait until the next nudge. @internal */
  readonly nudging: DeadlineEntry<Upgrade>;
  /** Whether the probe still has to be answered. */
  private answerDue: boolean;

  constructor(
    private readonly session: Session,
    readonly candidate: Transport,
  ) {
    this.timeout = deadlineEntry<Upgrade>(this);
    this.nudging = deadlineEntry<Upgrade>(this);
    this.answerDue = false;
    candidate.sink = this;
    session.upgrade = this;
    session.server.upgradeTimeouts.schedule(this.timeout);
  }

  packet(packet: Packet): void {
    if (packet.type === 'ping' && packet.data === 'probe') {
      this.answerDue = true;
      this.drained();
      this.session.emit('upgrading', this.candidate);
      this.nudge();
    } else if (packet.type === 'upgrade' && this.session.readyState !== 'closed') {
      this.detach();
      this.session.changeTransport(this.candidate);
    } else {
      this.abandon();
    }
  }

  drained(): void {
    // the session's own packets go by the old transport until the upgrade is complete
    if (!this.answerDue || !this.candidate.writable) return;
    this.answerDue = false;
    this.candidate.send([{ type: 'pong', data: 'probe' }]);
  }

  closed(): void {
    this.detach();
  }

  /** Gives the candidate up; the session stays with the transport it has. */
  abandon(): void {
    this.detach();
    this.candidate.discard();
  }

  /** @internal Finishes what is parked on the old transport, and does so again after a time. */
  nudge(): void {
    if (this.session.upgrade !== this) return;
    this.session.transport.nudge();
    // an 'upgrading' listener may have closed the session, and so may a finished response
    if (this.session.upgrade !== this) return;
    this.session.server.upgradeNudges.schedule(this.nudging);
  }

  private detach(): void {
    this.timeout.queue?.cancel(this.timeout);
    this.nudging.queue?.cancel(this.nudging);
    if (this.session.upgrade === this) this.session.upgrade = null;
  }
}
