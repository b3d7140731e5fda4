/** The report as one HTML page that needs nothing else: Chart.js and the data stand in it. */
import { range } from '../stats.js';
import { aboutLine } from './markdown.js';
import { rangeText } from './text.js';

const STYLE = `
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
  table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
  th, td { border-bottom: 1px solid #ddd; padding: .2rem .8rem .2rem 0; text-align: right; }
  th:first-child, td:first-child { text-align: left; }
  .over { color: #b00020; } .close { color: #a06000; } .ok { color: #1b6e2c; } .warning { color: #a06000; }
  .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1.5rem; }
  .plots > div { position: relative; }
`;

/** Draws each figure that is compared: the bar is the median, the line on it the range over the rounds. */
const SCRIPT = `
  for (const plot of JSON.parse(document.getElementById('plots').textContent)) {
    const range = {
      id: 'range',
      afterDatasetsDraw(chart) {
        const { ctx, scales } = chart;
        chart.getDatasetMeta(0).data.forEach((bar, i) => {
          const [low, high] = [plot.low[i], plot.high[i]].map((value) => scales.x.getPixelForValue(value));
          ctx.strokeStyle = '#222';
          ctx.beginPath();
          ctx.moveTo(low, bar.y);
          ctx.lineTo(high, bar.y);
          ctx.stroke();
        });
      },
    };
    new Chart(document.getElementById(plot.id), {
      type: 'bar',
      data: { labels: plot.labels, datasets: [{ data: plot.median, backgroundColor: plot.colours }] },
      plugins: [range],
      options: {
        indexAxis: 'y',
        animation: false,
        maintainAspectRatio: false,
        plugins: { legend: { display: false }, title: { display: true, text: plot.title } },
        scales: { x: { beginAtZero: true, suggestedMax: Math.max(...plot.high) } },
      },
    });
  }
`;

const COLOURS = { ours: '#2f6fde', others: '#b8bec9' };

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replaceAll(/[&<>"]/g, (character) => ENTITIES[character]);

/** @param chartJs the source of Chart.js, as a script that defines `Chart`. */
export function htmlOf(report, chartJs) {
  const plots = report.scenarios.flatMap(plotsOf);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Nestwire: measured ${escape(report.date.slice(0, 10))}</title>
<style>${STYLE}</style>
<h1>Nestwire beside its peers</h1>
<p>${escape(aboutLine(report))}</p>
${budgetsOf(report)}
${comparisonOf(report)}
${report.scenarios.map((scenario) => sectionOf(scenario, plots)).join('\n')}
<script type="application/json" id="plots">${inScript(JSON.stringify(plots))}</script>
<script>${inScript(chartJs)}</script>
<script>${SCRIPT}</script>
</html>
`;
}

/** Nothing in a script may look like its end. */
const inScript = (text) => text.replaceAll('</', String.raw`<\/`);

function plotsOf({ name, figures, ratioOf, rows }) {
  const keys = ratioOf.length > 0 ? ratioOf : [figures[0].key];
  return figures
    .filter(({ key }) => keys.includes(key))
    .map(({ key, title }) => {
      const shown = rows.filter(({ samples }) => key in samples);
      const ranges = shown.map(({ samples }) => range(samples[key]));
      return {
        id: `plot-${name}-${key}`,
        scenario: name,
        title,
        labels: shown.map(({ id }) => id),
        median: ranges.map(({ median }) => median),
        low: ranges.map(({ low }) => low),
        high: ranges.map(({ high }) => high),
        colours: shown.map(({ isOurs }) => (isOurs ? COLOURS.ours : COLOURS.others)),
      };
    });
}

function sectionOf({ name, title, figures, rows, ratios, warnings }, plots) {
  const canvases = plots
    .filter(({ scenario }) => scenario === name)
    .map(
      ({ id, labels }) => `<div style="height:${60 + labels.length * 28}px"><canvas id="${escape(id)}"></canvas></div>`,
    );
  const kept = figures.filter(({ key }) => rows.some(({ samples }) => key in samples));
  const cells = rows.map(({ id, samples }) => [
    id,
    ...kept.map(({ key, digits }) => {
      if (!(key in samples)) return '–';
      const { low, median, high } = range(samples[key]);
      return `${median.toFixed(digits)} [${low.toFixed(digits)} – ${high.toFixed(digits)}]`;
    }),
  ]);
  const compared = ratios.map((ratio) => [`${ratio.figure}: ${ratio.of} / ${ratio.to}`, rangeText(ratio)]);
  return `<section>
<h2 id="${escape(name)}">${escape(name)}</h2>
<p>${escape(title)}</p>
<div class="plots">${canvases.join('')}</div>
${tableOf(['', ...kept.map((figure) => figure.title)], cells)}
${compared.length > 0 ? tableOf(['ratio', 'median [range]'], compared) : ''}
${warnings.map((warning) => `<p class="warning">${escape(warning)}</p>`).join('')}
</section>`;
}

function budgetsOf({ budgets }) {
  if (budgets.length === 0) return '';
  const rows = budgets.map(
    (budget) =>
      `<tr class="${budget.state}"><td>${escape(budget.name)}</td>` +
      `<td>${budget.state === 'missing' ? '–' : rangeText(budget)}</td><td>${budget.atMost}</td><td>${budget.state}</td></tr>`,
  );
  return `<h2>Budgets</h2><table><tr><th>budget</th><th>measured</th><th>at most</th><th></th></tr>${rows.join('')}</table>`;
}

function comparisonOf({ comparison }) {
  if (comparison === null) return '';
  const { date, worse, better } = comparison;
  const rows = [...worse.map((change) => ['worse', change]), ...better.map((change) => ['better', change])].map(
    ([kind, { name, before, now }]) => [name, before.toFixed(2), now.toFixed(2), kind],
  );
  const said = rows.length > 0 ? tableOf(['ratio', 'before', 'now', ''], rows) : '<p>Nothing beyond the spread.</p>';
  return `<h2>Changes since ${escape(date.slice(0, 10))}</h2>${said}`;
}

function tableOf(header, rows) {
  const line = (cells, tag) => `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${line(header, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table>`;
}
