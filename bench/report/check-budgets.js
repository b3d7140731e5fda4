/** Which budgets are kept. */
import { range } from '../stats.js';
import { nameOf, ratioOf } from './ratios.js';

/**
 * @param budgets see `bench/budgets.js`.
 * @returns those whose scenario has run, each with its range and `state`: `ok`, `over`, or `close` when the median is over and a
 *   round was within; `missing` when one of its rows was not measured.
 */
export function checkBudgets(budgets, results) {
  return budgets.flatMap((budget) => {
    const result = results.find(({ name }) => name === budget.scenario);
    if (result === undefined) return [];
    const found =
      budget.to === undefined ? figureOf(result, budget) : ratioOf(result, budget.figure, budget.of, budget.to);
    const checked = { ...budget, name: nameOf(budget) };
    if (found === null) return [{ ...checked, state: 'missing' }];
    const { low, median, high } = found;
    return [{ ...checked, low, median, high, state: stateOf(found, budget.atMost) }];
  });
}

function figureOf(result, { figure, of }) {
  const values = result.rows.find(({ id }) => id === of)?.samples[figure];
  return values === undefined ? null : range(values);
}

function stateOf({ low, median }, atMost) {
  if (median <= atMost) return 'ok';
  return low <= atMost ? 'close' : 'over';
}
