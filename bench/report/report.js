/** The report of a run: what `report.json` holds, and what is drawn and printed from it. */
import { compare } from './baseline.js';
import { checkBudgets } from './check-budgets.js';
import { ratiosOf } from './ratios.js';

/**
 * @param about `date` (ISO), `isQuick`, `versions`, `machine`.
 * @param results of scenarios: `name`, `title`, `figures`, `ratioOf`, `pairs`, `rows`, `warnings`.
 * @param baseline of another run, or null; one that was quick is compared with quick ones only, for sizes differ.
 */
export function reportOf(about, results, budgets, baseline) {
  const scenarios = results.map((result) => ({ ...result, ratios: ratiosOf(result) }));
  const ratios = scenarios.flatMap((scenario) => scenario.ratios);
  return {
    ...about,
    scenarios,
    ratios,
    budgets: checkBudgets(budgets, scenarios),
    comparison: baseline?.isQuick === about.isQuick ? { date: baseline.date, ...compare(ratios, baseline) } : null,
  };
}
