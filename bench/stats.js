/** Medians, ratios and tables of a benchmark. */

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `12.3 [11.9 – 13.0]`: the median and the range. */
export function spread(values, digits = 1) {
  const [low, middle, high] = [Math.min(...values), median(values), Math.max(...values)].map((v) => v.toFixed(digits));
  return `${middle} [${low} – ${high}]`;
}

/** The ratios of two series measured in the same rounds: what drifts between rounds cancels out. */
export function ratios(values, others) {
  return values.map((value, round) => value / others[round]);
}

/** A text table; the first column is left-aligned, the others are right-aligned. */
export function table(header, rows) {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const format = (line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return [format(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(format)].join('\n');
}
