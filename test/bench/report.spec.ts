import { describe, expect, it } from '@jest/globals';
import { BUDGETS } from '../../bench/budgets.js';
import { baselineOf, compare } from '../../bench/report/baseline.js';
import { checkBudgets } from '../../bench/report/check-budgets.js';
import { nameOf, ratioOf, ratiosOf } from '../../bench/report/ratios.js';
import { reportOf } from '../../bench/report/report.js';
import { SCENARIOS } from '../../bench/scenarios/index.js';
import { ABOUT, echoResult, ours, peer } from './fixtures.js';

describe('ratios of a scenario', () => {
  it('are formed within a round', () => {
    expect(ratioOf(echoResult(), 'cpu', 'nestwire', 'peer')).toEqual({
      scenario: 'echo',
      figure: 'cpu',
      of: 'nestwire',
      to: 'peer',
      low: 0.5,
      median: 0.5,
      high: 0.5,
      rounds: [0.5, 0.5, 0.5],
    });
  });

  it('are those of ours to each other row', () => {
    const result = echoResult([ours([1]), peer([2], 'a'), peer([4], 'b')]);
    expect(
      ratiosOf(result).map((ratio: { of: string; to: string; median: number }) => [ratio.of, ratio.to, ratio.median]),
    ).toEqual([
      ['nestwire', 'a', 0.5],
      ['nestwire', 'b', 0.25],
    ]);
  });

  it('are those of the pairs that it names, where both were measured', () => {
    const result = { ...echoResult([ours([1]), peer([2], 'a')]), pairs: [['a', 'nestwire'], ['a', 'absent']] }; // prettier-ignore
    expect(ratiosOf(result).map((ratio: { of: string; to: string; median: number }) => [ratio.of, ratio.to])).toEqual([
      ['a', 'nestwire'],
    ]);
  });
});

describe('budgets', () => {
  const budget = (atMost: number) => ({ scenario: 'echo', figure: 'cpu', of: 'nestwire', to: 'peer', atMost });
  const stateOf = (atMost: number, result = echoResult([ours([5, 6, 7]), peer([10, 10, 10])])) =>
    checkBudgets([budget(atMost)], [result])[0]?.state;

  it.each([
    ['ok', 0.6],
    ['close', 0.55],
    ['over', 0.4],
  ])('are %s at %d when rounds have 0.5 to 0.7', (state, atMost) => {
    expect(stateOf(atMost)).toBe(state);
  });

  it('say what was measured', () => {
    expect(checkBudgets([budget(0.6)], [echoResult()])).toEqual([
      { ...budget(0.6), name: 'echo cpu: nestwire / peer', low: 0.5, median: 0.5, high: 0.5, state: 'ok' },
    ]);
  });

  it('are missing when a row of the scenario is', () => {
    expect(stateOf(1, echoResult([ours([1])]))).toBe('missing');
  });

  it('of a scenario that has not run are left out', () => {
    expect(checkBudgets([{ ...budget(1), scenario: 'other' }], [echoResult()])).toEqual([]);
  });

  it('may be about a figure itself', () => {
    const itself = { scenario: 'echo', figure: 'cpu', of: 'nestwire', atMost: 5 };
    expect(checkBudgets([itself], [echoResult()])[0]).toMatchObject({
      name: 'echo cpu: nestwire',
      median: 5,
      state: 'ok',
    });
  });

  it('are about scenarios, figures and rows that there are', () => {
    for (const { scenario: name, figure, of, ...rest } of BUDGETS) {
      const scenario = SCENARIOS.find((one) => one.name === name) as any;
      expect([name, scenario?.figures.map(({ key }: { key: string }) => key)]).toEqual([
        name,
        expect.arrayContaining([figure]),
      ]);
      const rows = typeof scenario.rows === 'function' ? scenario.rows(scenario.settings) : scenario.rows;
      const ids = rows.map(({ id }: { id: string }) => id);
      expect([name, ids]).toEqual([name, expect.arrayContaining('to' in rest ? [of, rest.to] : [of])]);
    }
  });
});

describe('the baseline', () => {
  const before = (median: number, low = median, high = median) => ({
    ...baselineOf({ ...ABOUT, ratios: [] }),
    ratios: { 'echo cpu: nestwire / peer': { median, low, high } },
  });
  const now = (low: number, median: number, high: number) => [
    { scenario: 'echo', figure: 'cpu', of: 'nestwire', to: 'peer', low, median, high, rounds: [low, median, high] },
  ];

  it('holds ratios and no times', () => {
    const { ratios } = reportOf(ABOUT, [echoResult()], [], null);
    expect(baselineOf({ ...ABOUT, ratios })).toEqual({
      ...ABOUT,
      ratios: { 'echo cpu: nestwire / peer': { median: 0.5, low: 0.5, high: 0.5 } },
    });
  });

  it.each([
    ['worse', [0.55, 0.6, 0.65], before(0.5, 0.48, 0.52), { worse: 1, better: 0 }],
    ['better', [0.35, 0.4, 0.45], before(0.5, 0.48, 0.52), { worse: 0, better: 1 }],
    [
      'the same: the rounds of now reach the median of then',
      [0.45, 0.6, 0.65],
      before(0.5, 0.48, 0.52),
      { worse: 0, better: 0 },
    ],
    [
      'the same: the rounds of then reached the median of now',
      [0.55, 0.6, 0.65],
      before(0.5, 0.48, 0.7),
      { worse: 0, better: 0 },
    ],
    ['the same: the difference is small', [0.51, 0.52, 0.53], before(0.5), { worse: 0, better: 0 }],
  ])('%s', (_case, [low, median, high], baseline, expected) => {
    const { worse, better } = compare(now(low!, median!, high!), baseline);
    expect({ worse: worse.length, better: better.length }).toEqual(expected);
  });

  it('says what it was and what it is', () => {
    expect(compare(now(0.6, 0.6, 0.6), before(0.5)).worse).toEqual([
      { name: 'echo cpu: nestwire / peer', before: 0.5, now: 0.6 },
    ]);
  });

  it('passes over what it does not know', () => {
    expect(compare(now(9, 9, 9), { ...before(1), ratios: {} })).toEqual({ worse: [], better: [] });
  });
});

it('a report has results, ratios, budgets and the comparison', () => {
  const budget = { scenario: 'echo', figure: 'cpu', of: 'nestwire', to: 'peer', atMost: 0.4 };
  const baseline = baselineOf({ ...ABOUT, ratios: reportOf(ABOUT, [echoResult()], [], null).ratios });
  const report = reportOf(ABOUT, [echoResult([ours([9, 9]), peer([10, 10])])], [budget], baseline);
  expect(report).toMatchObject({
    ...ABOUT,
    scenarios: [{ name: 'echo', ratios: [{ median: 0.9 }] }],
    ratios: [{ median: 0.9 }],
    budgets: [{ state: 'over' }],
    comparison: { date: ABOUT.date, worse: [{ name: nameOf(budget) }], better: [] },
  });
});

it('a quick run is not compared with one that was not', () => {
  const baseline = baselineOf({ ...ABOUT, ratios: [] });
  expect(reportOf({ ...ABOUT, isQuick: true }, [], [], baseline).comparison).toBeNull();
  expect(reportOf(ABOUT, [], [], baseline).comparison).toEqual({ date: ABOUT.date, worse: [], better: [] });
});
