/** How rows of a scenario compare. */
import { range, ratios } from '../stats.js';

/** The ratio of two rows in one figure, of each round, with their range; null when one of them was not measured. */
export function ratioOf(result, figure, of, to) {
  const [values, others] = [of, to].map((id) => result.rows.find((row) => row.id === id)?.samples[figure]);
  if (values === undefined || others === undefined) return null;
  const each = ratios(values, others);
  return { scenario: result.name, figure, of, to, ...range(each), rounds: each };
}

/** All ratios of a scenario: between its `pairs`, or each row of ours and each of the others. */
export function ratiosOf(result) {
  const pairs = result.pairs ?? allPairs(result.rows);
  return result.ratioOf.flatMap((figure) =>
    pairs.map(([of, to]) => ratioOf(result, figure, of, to)).filter((ratio) => ratio !== null),
  );
}

function allPairs(rows) {
  const others = rows.filter(({ isOurs }) => !isOurs);
  return rows.filter(({ isOurs }) => isOurs).flatMap((own) => others.map((other) => [own.id, other.id]));
}

/** Names a ratio in words. */
export function nameOf({ scenario, figure, of, to }) {
  return `${scenario} ${figure}: ${to === undefined ? of : `${of} / ${to}`}`;
}
