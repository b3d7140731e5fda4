/**
 * Measures us beside the peers: `npm run bench -- [scenario …] [options]`; needs `npm run build`. `bench/README.md` says what the
 * scenarios mean.
 *
 * Servers run on core 0, the load on core 1; rows take turns within each round, so that what changes on the machine meanwhile
 * meets all of them; figures are medians over the rounds, ratios are formed within a round.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BUDGETS } from './budgets.js';
import { machine, versions } from './machine.js';
import { compileServers, pinned } from './processes.js';
import { profiler } from './profiles.js';
import { baselineOf } from './report/baseline.js';
import { htmlOf } from './report/html.js';
import { insertMarkdown, markdownOf } from './report/markdown.js';
import { reportOf } from './report/report.js';
import { budgetsText, comparisonText, scenarioText } from './report/text.js';
import { scenariosNamed } from './scenarios/index.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const BASELINE = join(HERE, 'baseline.json');

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    peers: { type: 'string' },
    rounds: { type: 'string' },
    out: { type: 'string', default: HERE },
    markdown: { type: 'boolean', default: false },
    into: { type: 'string' },
    'save-baseline': { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
    'cpu-prof-interval': { type: 'string', default: '200' },
    'close-upstream': { type: 'boolean', default: false },
  },
});
const reportFile = join(options.out, 'report.json');

/** The last report, which must be of all scenarios. */
function completeReport() {
  const report = lastReport();
  const measured = report.scenarios.map(({ name }) => name);
  const missing = scenariosNamed([]).filter(({ name }) => !measured.includes(name));
  if (missing.length > 0) throw new Error(`the last report lacks ${missing.map(({ name }) => name).join(', ')}`);
  return report;
}

/** What is there of the last run. */
function lastReport() {
  if (!existsSync(reportFile)) throw new Error('there is no report yet: run the benchmark first');
  return JSON.parse(readFileSync(reportFile, 'utf8'));
}

function writeJson(file, value) {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

const say = (text) => text !== '' && console.log(`\n${text}`);

/** Says what is going on: in a line that the next one replaces where somebody is watching, else once a scenario. */
function progress(name) {
  const begin = performance.now();
  if (!process.stderr.isTTY) {
    console.error(`… ${name}`);
    return (text) =>
      process.env.BENCH_VERBOSE && console.error(`  ${((performance.now() - begin) / 1000).toFixed(1)} s  ${text}`);
  }
  return (text) => process.stderr.write(`\r\x1b[K${text === '' ? '' : `${name}: ${text}`}`);
}

async function runScenario(scenario) {
  const overrides = options.rounds ? { rounds: Number(options.rounds) } : {};
  const settings = { ...scenario.settings, ...(options.quick ? scenario.quick : {}), ...overrides };
  const named = options.peers?.split(',');
  const asked = (part) => (typeof part === 'function' ? part(settings) : part);
  const rows = asked(scenario.rows)?.filter(
    ({ id, peer }) => named === undefined || named.includes(peer) || named.includes(id),
  );
  if (rows?.length === 0) return null;
  const show = progress(scenario.name);
  const start = performance.now();
  const result = await scenario.run(
    {
      progress: show,
      profile:
        options['cpu-prof'] && profiler(scenario.name, options['cpu-prof'], Number(options['cpu-prof-interval'])),
      scaleOut: { keepAlive: !options['close-upstream'] },
    },
    settings,
    rows,
  );
  show('');
  if (result === null) return null;
  const { name, figures, ratioOf = ['cpu'] } = scenario;
  const [title, pairs] = [asked(scenario.title), asked(scenario.pairs)];
  const seconds = Math.round((performance.now() - start) / 1000);
  return { name, title, figures, pairs, ratioOf, settings, seconds, ...result };
}

async function measure() {
  const scenarios = scenariosNamed(positionals);
  compileServers();
  if (!pinned) {
    console.warn('taskset or a second core is missing: server and load share cores, so these figures are rough');
  }
  const about = { date: new Date().toISOString(), isQuick: options.quick, versions: versions(), machine: machine() };
  const baseline = existsSync(BASELINE) ? JSON.parse(readFileSync(BASELINE, 'utf8')) : null;
  const results = [];
  for (const scenario of scenarios) {
    const result = await runScenario(scenario);
    if (result === null) continue;
    results.push(result);
    say(scenarioText(reportOf(about, [result], [], null).scenarios[0]));
  }
  if (results.length === 0) return;
  const report = reportOf(about, results, BUDGETS, baseline);
  say(budgetsText(report.budgets));
  say(comparisonText(report.comparison));
  mkdirSync(options.out, { recursive: true });
  writeJson(reportFile, report);
  const chartJs = createRequire(import.meta.url)
    .resolve('chart.js')
    .replace(/[^/\\]+$/, 'chart.umd.min.js');
  writeFileSync(join(options.out, 'report.html'), htmlOf(report, readFileSync(chartJs, 'utf8')));
  say(`Written: ${reportFile} and report.html beside it`);
}

// both are about a run that has been
const isAbout = options.markdown || options['save-baseline'];
if (!isAbout || positionals.length > 0 || options.quick) await measure();
if (options['save-baseline']) {
  writeJson(BASELINE, baselineOf(completeReport()));
  say(`Written: ${BASELINE}`);
}
if (options.markdown) {
  const text = markdownOf(lastReport());
  if (options.into === undefined) say(text);
  else {
    const page = insertMarkdown(readFileSync(options.into, 'utf8'), text);
    const { format, resolveConfig } = await import('prettier');
    writeFileSync(options.into, await format(page, { ...(await resolveConfig(options.into)), filepath: options.into }));
  }
}
