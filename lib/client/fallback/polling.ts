import { transports as stock } from 'engine.io-client';

/**
 * The stock polling transport, with two additions: it asks for the upgrades that stock clients do not know, and a session
 * whose handshake arrives after the transport was closed is ended, where the stock one leaves it to the server's timers.
 */
export class PollingTransport extends stock.polling {
  constructor(opts: any) {
    super(opts);
    if (!this.query['sid']) this.query['resume'] = '1';
  }

  override onData(data: string): void {
    if (this.readyState !== 'closed') {
      super.onData(data);
      return;
    }
    const open = /^0(\{[^\x1e]*\})/.exec(data); // eslint-disable-line no-control-regex
    if (open === null) return;
    this.query['sid'] = (JSON.parse(open[1]!) as { sid: string }).sid;
    this.doWrite('1', () => {});
  }
}
