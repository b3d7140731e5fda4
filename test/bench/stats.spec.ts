import { describe, expect, it } from '@jest/globals';
import { median, quantile, range, ratios, spread } from '../../bench/stats.js';

describe('quantiles', () => {
  it.each([
    [[3], 0.5, 3],
    [[4, 1, 3], 0.5, 3],
    [[10, 20], 0.5, 15],
    [[0, 10, 20, 30], 0.99, 29.7],
    [[5, 1], 0, 1],
    [[5, 1], 1, 5],
  ])('of %j at %d is %d', (values, share, expected) => {
    expect(quantile(values, share)).toBeCloseTo(expected);
  });

  it('leave the values in their order', () => {
    const values = [3, 1, 2];
    expect(median(values)).toBe(2);
    expect(values).toEqual([3, 1, 2]);
  });

  it('of nothing are no number', () => {
    expect(median([])).toBeNaN();
  });
});

it('a range has the least, the median and the most', () => {
  expect(range([4, 2, 9])).toEqual({ low: 2, median: 4, high: 9 });
  expect(spread([4, 2, 9], 1)).toBe('4.0 [2.0 – 9.0]');
});

describe('ratios', () => {
  it('are formed round by round', () => {
    // the second round was twice as slow for both: the medians apart would say otherwise
    expect(ratios([10, 30, 10], [20, 60, 20])).toEqual([0.5, 0.5, 0.5]);
  });

  it('of different numbers of rounds are refused', () => {
    expect(() => ratios([1, 2], [1])).toThrow('2 rounds cannot be compared with 1');
  });
});
