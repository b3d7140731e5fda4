/** What clients of every transport do alike: count what they sent and got, and report it to their load. */
import { randomBytes } from 'node:crypto';

export class LoadClient {
  sent = 0;
  received = 0;
  heard = 0;

  /** `address`: `port`, `entry` (port of the handshake), and `localAddress` where it matters. */
  constructor(load, address) {
    this.load = load;
    this.failed = new Promise((_resolve, reject) => (this.reject = reject));
    this.failed.catch(() => undefined);
    // what a sticky balancer tells clients by
    this.address = { ...address, cookie: randomBytes(8).toString('hex') };
  }

  answered(count) {
    this.received += count;
    if (this.received > this.sent) return this.fail('more answers than requests');
    this.load.answered(this, count);
  }

  delivered(count) {
    this.load.delivered(this.heard, count);
    this.heard += count;
  }

  /** A payload that may be answers, or broadcasts. @returns whether it was all of one kind. */
  take(payload) {
    const heard = this.load.news.match(this.heard, payload);
    if (heard > 0) {
      this.delivered(heard);
      return true;
    }
    const answers = this.load.answers.match(this.received, payload);
    if (answers > 0) this.answered(answers);
    return answers > 0;
  }

  fail(message) {
    if (this.state === 'closed') return;
    const error = new Error(`connection in state ${this.state}: ${message}`);
    this.state = 'closed';
    this.destroy();
    this.reject(error);
    this.load.fail(error);
  }
}
