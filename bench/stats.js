/** Medians, quantiles and ratios of a benchmark. */

export function median(values) {
  return quantile(values, 0.5);
}

/** The value below which that share of them lies; between two values it is the weighted mean. */
export function quantile(values, share) {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const rest = place - low;
  return rest === 0 ? sorted[low] : sorted[low] * (1 - rest) + sorted[low + 1] * rest;
}

/** The least, the median and the most. */
export function range(values) {
  return { low: Math.min(...values), median: median(values), high: Math.max(...values) };
}

/** `12.3 [11.9 – 13.0]`: the median and the range. */
export function spread(values, digits = 1) {
  const { low, median: middle, high } = range(values);
  return `${middle.toFixed(digits)} [${low.toFixed(digits)} – ${high.toFixed(digits)}]`;
}

/** The ratios of two series measured in the same rounds: what drifts between rounds cancels out. */
export function ratios(values, others) {
  if (values.length !== others.length)
    throw new Error(`${values.length} rounds cannot be compared with ${others.length}`);
  return values.map((value, round) => value / others[round]);
}
