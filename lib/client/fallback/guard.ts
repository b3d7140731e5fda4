import { rememberHandshake, type Handshake } from '../handshake.js';
import type { PageHideEvent } from '../page-hide.js';
import { HELD_BACK, StreamingTransport } from '../streaming-transport.js';
import type { Attempt, Candidate, Course, EngineSocket } from './course.js';
import { RESERVE, Trial } from './trial.js';

/** A transport class of engine.io-client. Most members are protected there, and meant for those who extend it. */
export type TransportClass = new (opts: any) => any;

interface Packet {
  type: string;
  data?: string;
}

/** Code of a WebSocket that ended without a closing handshake (RFC 6455, 7.1.5). */
const ABNORMAL_CLOSURE = 1006;

const trials = new WeakMap<object, Trial>();

function trialOf(engine: EngineSocket, course: Course): Trial {
  let trial = trials.get(engine);
  if (trial === undefined) {
    trial = new Trial(engine, course);
    trials.set(engine, trial);
  }
  return trial;
}

/** Extends a transport by what a {@link Trial} has to know of it and do to it. */
export function guard(Base: TransportClass, course: Course): TransportClass {
  /** @package */
  class Guarded extends Base implements Candidate {
    declare readonly name: string;
    readonly attempt!: Attempt;
    readonly isStream!: boolean;
    readonly isHttp!: boolean;
    private readonly trial!: Trial;
    /** Packets that came while it was in reserve; null when it is not, or no longer. */
    private held: Packet[] | null = null;
    /** Whether whoever uses it has closed it. */
    private isClosing = false;

    constructor(opts: any) {
      super(opts);
      const trial = trialOf(opts.socket as EngineSocket, course);
      const isUpgrade = Boolean(this.query.sid);
      if (!isUpgrade && !trial.isMakingReserve && this.name === RESERVE) {
        const reserve = trial.takeReserve();
        // the engine asks for a new transport of this kind; one is there, open or about to be
        if (reserve !== null) return reserve as Guarded;
      }
      const role = isUpgrade ? 'upgrade' : trial.isMakingReserve ? 'reserve' : 'first';
      this.trial = trial;
      this.isStream = this instanceof StreamingTransport;
      this.isHttp = this.isStream || 'doPoll' in this;
      this.attempt = { transport: this.name, role, state: 'trying' };
      if (role === 'reserve') this.held = [];
      // the trial has candidates wait for each other
      this.candidateDelay = 0;
    }

    open(): this {
      if (this.held !== null && this.attempt.role === 'first') queueMicrotask(() => this.letGo());
      else super.open();
      return this;
    }

    doOpen(): void {
      if (this.attempt.role === 'upgrade') {
        this.trial.addUpgrade(this);
        return;
      }
      if (this.attempt.role === 'first') this.trial.beginFirst(this);
      else this.begin();
    }

    mayPark(): boolean {
      return this.trial.mayPark();
    }

    begin(): void {
      super.doOpen();
    }

    hide({ persisted }: PageHideEvent): void {
      if (!persisted) {
        // the poll that is open is cut, and that tells the server: a goodbye that comes after it would be refused
        this.isOver = true;
      } else if (!this.isStream) {
        // kept by the browser, it answers no pings, and connects anew should it be shown again; streams do that themselves
        this.doClose();
        this.onClose({ description: 'the page went away' });
      }
    }

    close(): this {
      this.isClosing = true;
      super.close();
      this.trial.dropped(this);
      return this;
    }

    giveUp(reason: string): void {
      if (this.attempt.state !== 'trying') return;
      this.onError(reason);
    }

    onPacket(packet: Packet): void {
      if (packet.type === 'open') {
        const handshake = JSON.parse(packet.data!) as Handshake;
        rememberHandshake(this.socket, handshake);
        // its next poll, which goes out before the engine knows of it
        this.query.sid = handshake.sid;
        if (this.attempt.role === 'reserve') this.trial.reserveOpened(this);
        else if (this.held === null) this.trial.opened(this);
      } else if (this.attempt.role === 'upgrade' && packet.type === 'pong' && packet.data === 'probe') {
        this.trial.upgradeAnswered();
      }
      if (this.held !== null) this.held.push(packet);
      else super.onPacket(packet);
    }

    onError(reason: string, description?: unknown, context?: unknown): this {
      const { attempt, trial } = this;
      // what was given up may still complain
      if (this.isClosing || attempt.state === 'failed') return this;
      if (attempt.state === 'trying') {
        this.end(reason);
        if (attempt.role === 'reserve') return this;
      } else if (reason === HELD_BACK) {
        trial.demote(this, reason);
      } else {
        trial.wasCut(this);
      }
      return super.onError(reason, description, context);
    }

    onClose(details?: any): void {
      const { attempt, trial } = this;
      if (!this.isClosing) {
        if (attempt.state === 'failed') return;
        if (attempt.state === 'trying') {
          // an error: only after that engine.io-client tries the next
          this.onError(String(details?.description ?? 'closed'), details?.context);
          return;
        }
        if (details?.context?.code === ABNORMAL_CLOSURE) trial.wasCut(this);
      }
      super.onClose(details);
    }

    /** Ends what has not opened, and tells the trial. */
    private end(reason: string): void {
      const { attempt, trial } = this;
      // first: what the trial does of it may end the whole connection
      this.doClose();
      this.readyState = 'closed';
      if (attempt.role === 'upgrade') trial.upgradeFailed(this, reason);
      else if (attempt.role === 'reserve') trial.reserveFailedToOpen(this, reason);
      else trial.firstFailed(this, reason);
    }

    /** Hands on what came while it was in reserve. */
    private letGo(): void {
      const packets = this.held ?? [];
      this.held = null;
      for (const packet of packets) this.onPacket(packet);
    }
  }
  return Guarded;
}
