import { transports as stock } from 'engine.io-client';
import { handshakeOf } from '../handshake.js';
import { CLOSE, SEPARATOR } from '../packets.js';

/** Milliseconds between brief polls: at least, and at most, where the heartbeat allows it. */
const SHORTEST_PAUSE = 100;
const LONGEST_PAUSE = 1000;

/**
 * The stock polling transport, with four additions: it asks for the upgrades that stock clients do not know; a session
 * whose handshake arrives after the transport was closed is ended, where the stock one leaves it to the server's timers;
 * to a server that has ended the session it neither says goodbye nor comes again, which a browser would log as an error;
 * and it can poll briefly, so that no request is held most of the time: the server answers at once, and after a pause that
 * grows while nothing happens it is asked again.
 *
 * @package
 */
export class PollingTransport extends stock.polling {
  declare readonly setTimeoutFn: typeof setTimeout;
  declare readonly clearTimeoutFn: typeof clearTimeout;
  /** Whether the server has ended the session, or is about to: nothing more is sent. */
  protected isOver = false;
  private pauseTime = SHORTEST_PAUSE;
  private pauseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(opts: any) {
    super(opts);
    if (!this.query['sid']) this.query['resume'] = '1';
  }

  /** Whether a poll may wait at the server for something to come. */
  mayPark(): boolean {
    return true;
  }

  override doPoll(): void {
    if (this.isOver) return;
    if (!this.query['sid'] || this.mayPark()) {
      super.doPoll();
      return;
    }
    this.pauseTimer = this.setTimeoutFn(() => this.endPause(), this.pauseTime);
    // the heartbeat's ping has to come in time
    const limit = Math.min(LONGEST_PAUSE, (handshakeOf(this.socket)?.pingTimeout ?? Infinity) / 4);
    this.pauseTime = Math.min(2 * this.pauseTime, limit);
  }

  override onPacket(packet: any): void {
    // where something came, more may follow
    if (packet.type !== 'noop') this.pauseTime = SHORTEST_PAUSE;
    super.onPacket(packet);
  }

  override doWrite(data: string, callback: () => void): void {
    if (this.isOver) return;
    super.doWrite(data, () => {
      callback();
      // there may be an answer to it
      this.pauseTime = SHORTEST_PAUSE;
      this.endPause();
    });
  }

  override onError(reason: string, description: any, context?: any): this {
    // a poll that is cut ends the session, and a browser cuts it before it tells the page that it goes away
    if (reason === 'xhr poll error') this.isOver = true;
    return super.onError(reason, description, context);
  }

  override pause(onPause: () => void): void {
    super.pause(onPause);
    this.endPause();
  }

  override onData(data: string): void {
    if (this.readyState === 'closed') {
      this.endLateSession(data);
      return;
    }
    this.isOver = data.endsWith(SEPARATOR + CLOSE);
    if (this.isOver) {
      data = data.slice(0, -(SEPARATOR + CLOSE).length);
      // socket.io-client hears of the packets before it a tick later, its `disconnect` among them
      this.setTimeoutFn(() => this.onClose({ description: 'transport closed by the server' }), 0);
    }
    super.onData(data);
  }

  private endLateSession(data: string): void {
    if (!data.startsWith('0')) return;
    this.query['sid'] = (JSON.parse(data.slice(1).split(SEPARATOR)[0]!) as { sid: string }).sid;
    this.doWrite(CLOSE, () => {});
  }

  /** Polls, if there is a pause before it. */
  private endPause(): void {
    if (this.pauseTimer === undefined) return;
    this.clearTimeoutFn(this.pauseTimer);
    this.pauseTimer = undefined;
    if (this.readyState === 'closed' || this.isOver) return;
    if (!this.mayPark()) this.query['wait'] = '0';
    super.doPoll();
    delete this.query['wait'];
  }
}
