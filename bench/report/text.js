/** What a run prints. */
import { spread } from '../stats.js';
import { table } from './table.js';

/** The figures of a scenario, and its ratios. */
export function scenarioText({ name, title, figures, rows, ratios, warnings, notes = [] }) {
  const kept = figures.filter(({ key }) => rows.some(({ samples }) => key in samples));
  const cells = rows.map(({ id, samples }) => [
    id,
    ...kept.map(({ key, digits }) => (key in samples ? spread(samples[key], digits) : '–')),
  ]);
  const parts = [`${name}: ${title}`, table(['', ...kept.map((figure) => figure.title)], cells)];
  if (ratios.length > 0) parts.push(table(['ratio', 'median [range]'], ratios.map(ratioCells)));
  parts.push(...notes, ...warnings.map((warning) => `Beware: ${warning}`));
  return parts.join('\n\n');
}

function ratioCells({ figure, of, to, low, median, high }) {
  return [`${figure}: ${of} / ${to}`, rangeText({ low, median, high })];
}

/** `0.42 [0.40 – 0.45]` */
export function rangeText({ low, median, high }) {
  const [least, middle, most] = [low, median, high].map((value) => value.toFixed(2));
  return `${middle} [${least} – ${most}]`;
}

/** Each budget with what was measured. */
export function budgetsText(budgets) {
  if (budgets.length === 0) return '';
  const rows = budgets.map((budget) => [
    budget.name,
    budget.state === 'missing' ? '–' : rangeText(budget),
    `≤ ${budget.atMost}`,
    budget.state,
  ]);
  return table(['budget', 'median [range]', '', ''], rows);
}

/** What has changed since the baseline. */
export function comparisonText(comparison) {
  if (comparison === null) return '';
  const { date, worse, better } = comparison;
  const lines = [
    ...worse.map(({ name, before, now }) => `worse:  ${name}: ${before.toFixed(2)} -> ${now.toFixed(2)}`),
    ...better.map(({ name, before, now }) => `better: ${name}: ${before.toFixed(2)} -> ${now.toFixed(2)}`),
  ];
  const said = lines.length > 0 ? lines : ['nothing has changed beyond the spread'];
  return [`Compared with the baseline of ${date.slice(0, 10)}:`, ...said].join('\n');
}
