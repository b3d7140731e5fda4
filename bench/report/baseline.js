/** A run that others are compared with: ratios to peers, for times are those of one machine. */
import { nameOf } from './ratios.js';

/** What a change of a ratio must exceed to be told, even where rounds hardly differ. */
const TOLERANCE = 0.05;

/** What is kept of a report. */
export function baselineOf({ date, isQuick, versions, machine, ratios }) {
  const round = (value) => Number(value.toPrecision(4));
  const kept = ratios.map((ratio) => [
    nameOf(ratio),
    { median: round(ratio.median), low: round(ratio.low), high: round(ratio.high) },
  ]);
  return { date, isQuick, versions, machine, ratios: Object.fromEntries(kept) };
}

/**
 * What has changed beyond the spread: the median of each run lies outside of the other run's range, and they differ by more than
 * 5 %.
 *
 * @returns `worse` and `better`, each with `name`, `before` and `now`.
 */
export function compare(ratios, baseline) {
  const worse = [];
  const better = [];
  for (const now of ratios) {
    const name = nameOf(now);
    const before = baseline.ratios[name];
    if (before === undefined) continue;
    const change = { name, before: before.median, now: now.median };
    if (exceeds(now, before)) worse.push(change);
    else if (exceeds(before, now)) better.push(change);
  }
  return { worse, better };
}

/** Whether one run's ratio is more than the other's, beyond the spread of both. */
function exceeds(a, b) {
  return a.median > b.high && b.median < a.low && a.median > b.median * (1 + TOLERANCE);
}
