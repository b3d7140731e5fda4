/** What servers are given to do. Each takes a stand and how much of it. */
import { TEXT } from './load/dialects.js';
import { quantile } from './stats.js';

/** Emits that go out before it is waited until all of them have been heard. */
const STEP = 50;

/** Every connection keeps `inFlight` requests in the air until all are answered. */
export function echo({ load }, messages, inFlight) {
  return load.call('run', { messages, inFlight });
}

/**
 * The server emits to all, in steps: with `intervalMs` 0 it is an emit in each turn of its event loop, with `step` 1 the next one
 * waits until all have heard the last. Answers with when each was emitted.
 */
export async function broadcast(stand, emits, { step = STEP, intervalMs = 0 } = {}) {
  const all = [];
  for (let done = 0; done < emits; done += step) {
    const count = Math.min(step, emits - done);
    const order = { from: stand.emitted, count, perTurn: 1, intervalMs, text: TEXT };
    const [emitted] = await Promise.all([
      stand.server.call('broadcast', order),
      stand.load.call('hear', { broadcasts: count }),
    ]);
    stand.emitted += count;
    all.push(...emitted);
  }
  return all;
}

/**
 * The figures of so many emits, for one delivered message, with the milliseconds from an emit until a client has it (p50, p99)
 * and until the last one has it (the median of those).
 */
export async function pushed(stand, emits, pace) {
  let emitted;
  const figures = await stand.measured(emits * stand.connections, async () => {
    emitted = await broadcast(stand, emits, pace);
  });
  const { all, last } = await stand.load.call('latencies', { emitted });
  return { ...figures, p50: quantile(all, 0.5), p99: quantile(all, 0.99), last: quantile(last, 0.5) };
}
