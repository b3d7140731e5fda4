import { describe, expect, it } from '@jest/globals';
import { htmlOf } from '../../bench/report/html.js';
import { insertMarkdown, markdownOf } from '../../bench/report/markdown.js';
import { reportOf } from '../../bench/report/report.js';
import { markdownTable, table } from '../../bench/report/table.js';
import { budgetsText, comparisonText, scenarioText } from '../../bench/report/text.js';
import { ABOUT, echoResult, ours, peer } from './fixtures.js';

const BUDGET = { scenario: 'echo', figure: 'cpu', of: 'nestwire', to: 'peer', atMost: 0.4 };

describe('tables', () => {
  it('align the first column to the left and the others to the right', () => {
    expect(
      table(
        ['peer', 'CPU'],
        [
          ['a', '1'],
          ['longer', '100'],
        ],
      ),
    ).toBe(
      // prettier-ignore
      ['peer    CPU', '------  ---', 'a         1', 'longer  100'].join('\n'),
    );
  });

  it('are Markdown, too', () => {
    expect(markdownTable(['a|b', 'c'], [['x', '1']])).toBe('| a\\|b | c |\n| --- | ---: |\n| x | 1 |');
  });
});

describe('what is printed', () => {
  const [scenario] = reportOf(ABOUT, [echoResult()], [], null).scenarios;

  it('has the figures that were measured, and ratios', () => {
    expect(scenarioText(scenario!)).toBe(
      [
        'echo: echo <with> a guard',
        '',
        '                     µs CPU',
        '--------  -----------------',
        'nestwire    5.0 [4.0 – 6.0]',
        'peer      10.0 [8.0 – 12.0]',
        '',
        'ratio                     median [range]',
        '--------------------  ------------------',
        'cpu: nestwire / peer  0.50 [0.50 – 0.50]',
      ].join('\n'),
    );
  });

  it('has warnings', () => {
    expect(scenarioText({ ...scenario!, warnings: ['the load works 95 % of the time'] })).toContain(
      'Beware: the load works 95 % of the time',
    );
  });

  it('says of each budget whether it is kept', () => {
    const { budgets } = reportOf(ABOUT, [echoResult()], [BUDGET, { ...BUDGET, to: 'absent' }], null);
    const [, , first, second] = budgetsText(budgets).split('\n');
    expect(first).toMatch(/^echo cpu: nestwire \/ peer +0\.50 \[0\.50 – 0\.50\] +≤ 0\.4 +over$/);
    expect(second).toMatch(/^echo cpu: nestwire \/ absent +– +≤ 0\.4 +missing$/);
    expect(budgetsText([])).toBe('');
  });

  it('says what has changed', () => {
    const change = { name: 'echo', before: 0.5, now: 0.6 };
    expect(comparisonText({ date: ABOUT.date, worse: [change], better: [] })).toBe(
      'Compared with the baseline of 2026-01-02:\nworse:  echo: 0.50 -> 0.60',
    );
    expect(comparisonText({ date: ABOUT.date, worse: [], better: [] })).toContain('nothing has changed');
    expect(comparisonText(null)).toBe('');
  });
});

describe('the tables of the README', () => {
  const result = (name: string, rows = [ours([5]), peer([10], 'platform-socket.io')]) => ({
    ...echoResult(rows),
    name,
  });

  it('say when, with what and where', () => {
    const text = markdownOf(reportOf(ABOUT, [], [], null));
    expect(text).toBe('Measured on 2026-01-02 with node 20.0.0, nestwire 0.1.0; 2 cores (A CPU), 8 GB, Linux 6.');
    expect(markdownOf(reportOf({ ...ABOUT, isQuick: true }, [], [], null))).toContain('A quick run');
  });

  it('leave out what was not measured', () => {
    const text = markdownOf(reportOf(ABOUT, [result('echo10')], [], null));
    expect(text).toContain('| echo through a guard, 10 in flight | 0.50 [0.50 – 0.50] | – | – |');
    expect(text).not.toContain('1 in flight |');
    expect(text).not.toContain('budget');
  });

  it('have what a message costs over each transport', () => {
    const samples = { push: [4, 5, 6], echo: [40] };
    const row = (id: string) => ({ id, isOurs: true, samples });
    const scenario = { ...result('transports', [row('nestwire'), row('nestwire/polling')] as never), ratioOf: [] };
    const text = markdownOf(reportOf(ABOUT, [scenario], [], null));
    expect(text).toContain('| `websocket` | 5 µs | 40 µs |\n| `polling` | 5 µs | 40 µs |');
  });

  it('have pushes beside those of others', () => {
    const rows = [
      { id: 'nestwire/eventsource', isOurs: true, samples: { cpu: [1], p99: [2] } },
      { id: 'sockjs/xhr-streaming', isOurs: false, samples: { cpu: [2], p99: [8] } },
    ];
    const push = { ...result('push', rows as never), ratioOf: ['cpu', 'p99'] };
    const text = markdownOf(reportOf(ABOUT, [push], [], null));
    expect(text).toContain('| eventsource, CPU | – | 0.50 [0.50 – 0.50] |');
    expect(text).toContain('| eventsource, 99 % latency | – | 0.25 [0.25 – 0.25] |');
  });
});

describe('a page with marks', () => {
  const page = (text: string) => `before <!-- npm run bench -- --markdown -->${text}<!-- /bench --> after`;

  it('gets the tables in place of what was there', () => {
    expect(insertMarkdown(page('\n\nold\n\n'), 'new')).toBe(page('\n\nnew\n\n'));
  });

  it('is one that has them', () => {
    expect(() => insertMarkdown('no marks', 'new')).toThrow('the page has no <!--');
  });
});

describe('the HTML page', () => {
  const baseline = { ...ABOUT, ratios: { 'echo cpu: nestwire / peer': { median: 0.2, low: 0.2, high: 0.2 } } };
  const report = reportOf(ABOUT, [{ ...echoResult(), warnings: ['busy'] }], [BUDGET], baseline);
  const html = htmlOf(report, 'const Chart = "</script>";');

  it('needs nothing from elsewhere', () => {
    expect(html).not.toMatch(/\b(src|href)=/);
  });

  it('lets nothing of the data be markup', () => {
    expect(html).toContain('echo &lt;with&gt; a guard');
    // the data, Chart.js and ours: none ends early
    expect(html.match(/<\/script>/g)).toHaveLength(3);
  });

  it('has a plot of each figure that is compared', () => {
    const [, json] = /id="plots">(.*?)<\/script>/s.exec(html)!;
    expect(JSON.parse(json!.replaceAll(String.raw`<\/`, '</'))).toEqual([
      expect.objectContaining({
        id: 'plot-echo-cpu',
        labels: ['nestwire', 'peer'],
        median: [5, 10],
        low: [4, 8],
        high: [6, 12],
      }),
    ]);
    expect(html).toContain('<canvas id="plot-echo-cpu">');
  });

  it('has budgets, changes and warnings', () => {
    expect(html).toContain('<tr class="over"><td>echo cpu: nestwire / peer</td>');
    expect(html).toContain('<td>0.20</td><td>0.50</td><td>worse</td>');
    expect(html).toContain('<p class="warning">busy</p>');
  });
});
