/** Milliseconds that are shown. */
export const SPAN = 60_000;

/** Between two measurements further apart than this, in milliseconds, nothing is known. */
const PAUSE = 3_500;

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Round-trip times of the last minute, when there was no connection, and when the transport changed. */
export class RttHistory {
  /** `{ at, rtt, transport }`; `at` is what `performance.now()` said. */
  samples = [];
  /** `{ from, to }`; `to` is Infinity while it lasts. */
  gaps = [];
  /** `{ at, transport }`. */
  changes = [];
  #transport = '';

  constructor(now) {
    this.disconnected(now);
  }

  sample(rtt, transport, now) {
    this.samples.push({ at: now, rtt, transport });
    this.forget(now);
  }

  /** A transport is in use from now on. */
  connected(transport, now) {
    const gap = this.gaps.at(-1);
    if (gap?.to === Infinity) gap.to = now;
    if (this.#transport !== '' && this.#transport !== transport) this.changes.push({ at: now, transport });
    this.#transport = transport;
  }

  disconnected(now) {
    if (this.gaps.at(-1)?.to !== Infinity) this.gaps.push({ from: now, to: Infinity });
  }

  forget(now) {
    const isOver = (at) => at < now - SPAN;
    // One sample older than that remains: the line comes from beyond the edge.
    while (this.samples.length > 1 && isOver(this.samples[1].at)) this.samples.shift();
    while (this.gaps.length > 0 && isOver(this.gaps[0].to)) this.gaps.shift();
    while (this.changes.length > 0 && isOver(this.changes[0].at)) this.changes.shift();
  }

  /** Samples between which the line goes through: one connection, one transport, no pause. */
  runs() {
    const runs = [];
    let last = null;
    for (const sample of this.samples) {
      const goesOn =
        last !== null &&
        last.transport === sample.transport &&
        sample.at - last.at < PAUSE + sample.rtt &&
        !this.gaps.some(({ from }) => from > last.at && from < sample.at);
      if (goesOn) runs.at(-1).push(sample);
      else runs.push([sample]);
      last = sample;
    }
    return runs;
  }

  /** @returns `{ median, max }` of the last minute, or null when nothing was measured */
  figures(now) {
    const values = this.samples.filter(({ at }) => at >= now - SPAN).map(({ rtt }) => rtt);
    return values.length === 0 ? null : { median: median(values), max: Math.max(...values) };
  }
}
