import { transports as stock } from 'engine.io-client';
import { CLOSE, SEPARATOR } from '../packets.js';

/**
 * The stock polling transport, with three additions: it asks for the upgrades that stock clients do not know; a session
 * whose handshake arrives after the transport was closed is ended, where the stock one leaves it to the server's timers;
 * and to a server that has ended the session it neither says goodbye nor comes again, which a browser would log as an error.
 */
export class PollingTransport extends stock.polling {
  /** Whether the server has ended the session. */
  private isOver = false;

  constructor(opts: any) {
    super(opts);
    if (!this.query['sid']) this.query['resume'] = '1';
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

  override doPoll(): void {
    if (!this.isOver) super.doPoll();
  }

  override doWrite(data: string, done: () => void): void {
    if (!this.isOver) super.doWrite(data, done);
  }

  private endLateSession(data: string): void {
    const open = /^0(\{[^\x1e]*\})/.exec(data); // eslint-disable-line no-control-regex
    if (open === null) return;
    this.query['sid'] = (JSON.parse(open[1]!) as { sid: string }).sid;
    this.doWrite(CLOSE, () => {});
  }
}
