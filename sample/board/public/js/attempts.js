import { labelOf, TRANSPORTS } from './transports.js';

/** Connections that are kept. */
const MOST = 12;

const rank = (name) => TRANSPORTS.findIndex((transport) => transport.name === name);

/** What two connections have in common that went the same way. */
const courseOf = ({ attempts }) =>
  attempts.map(({ transport, role, state, reason = '' }) =>
    [transport, role, state, reason.replace(/\d+/g, '')].join(),
  );

const failed = ({ attempts }) => attempts.length > 0 && attempts.every(({ state }) => state === 'failed');

/**
 * What was tried, connection by connection: `{ at, cause, attempts, times }`, newest first. The attempts are the engine's
 * own and go on changing.
 */
export class Attempts {
  connections = [];

  /** @param {'opened' | 'chosen' | 'lost'} cause why it is made */
  add(attempts, cause) {
    // A server that is away is tried again every few seconds: the same story is told once.
    const [last, before] = this.connections;
    if (before && failed(last) && failed(before) && String(courseOf(last)) === String(courseOf(before))) {
      last.times += before.times;
      this.connections.splice(1, 1);
    }
    this.connections.unshift({ at: new Date(), cause, attempts, times: 1 });
    this.connections.length = Math.min(this.connections.length, MOST);
  }

  /**
   * What became of a transport in the newest connection, and why.
   *
   * @param inUse the transport in use, or '' without a connection
   * @returns `{ state, why }`
   */
  verdict(name, isAllowed, inUse) {
    if (!isAllowed) return { state: 'forbidden', why: 'forbidden here' };
    const attempt = this.connections[0]?.attempts.findLast(({ transport }) => transport === name);
    if (name === inUse)
      return { state: 'used', why: attempt ? `in use · opened in ${attempt.milliseconds} ms` : 'in use' };
    if (!attempt) {
      if (inUse === '') return { state: 'idle', why: 'not tried yet' };
      return rank(name) > rank(inUse)
        ? { state: 'idle', why: 'not needed' }
        : { state: 'out', why: this.#leftOut(name) };
    }
    switch (attempt.state) {
      case 'trying':
        return { state: 'trying', why: 'being tried…' };
      case 'failed':
        return { state: 'failed', why: `${inUse ? 'passed over' : 'failed'}: ${attempt.reason}` };
      case 'dropped':
        return { state: 'idle', why: attempt.role === 'reserve' ? 'in reserve, not needed' : 'not needed' };
      default:
        return { state: 'idle', why: inUse ? `opened first, then ${labelOf(inUse)}` : 'opened' };
    }
  }

  /** It is better than the one in use, yet it was not tried: the client remembers that it failed. */
  #leftOut(name) {
    for (const { attempts } of this.connections) {
      const attempt = attempts.findLast(({ transport, state }) => transport === name && state === 'failed');
      if (attempt) return `left out for now: ${attempt.reason}`;
    }
    return 'left out for now: it failed before in this tab';
  }
}
