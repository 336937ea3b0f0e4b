import { expect, it } from 'vitest';
import { normalQuantile } from './normal-quantile.ts';
import { wilsonInterval } from './wilson.ts';

// Newcombe: Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I, method 3.
it.each([
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
])('%d of %d lies between %d and %d', (successes, trials, lower, upper) => {
  const interval = wilsonInterval(successes, trials);
  expect(interval.estimate).toBe(successes / trials);
  expect(interval.lower).toBeCloseTo(lower, 4);
  expect(interval.upper).toBeCloseTo(upper, 4);
});

it('is its own mirror image', () => {
  const { lower, upper } = wilsonInterval(20, 20);
  expect([lower, upper]).toEqual([1 - wilsonInterval(0, 20).upper, 1]);
});

it('refuses what is no proportion', () => {
  expect(() => wilsonInterval(3, 2)).toThrow('successes');
  expect(() => wilsonInterval(0, 0)).toThrow('trials');
});

// Wichura's own test values, and the quantiles that every table has.
it.each([
  [0.25, -0.6744897501960817],
  [0.001, -3.090232306167814],
  [1e-20, -9.26234008979841],
  [0.975, 1.959963984540054],
  [0.5, 0],
])('the quantile of %d is %d', (probability, value) => expect(normalQuantile(probability)).toBeCloseTo(value, 12));

it('has no quantile of 0 and 1', () => {
  expect(() => normalQuantile(0)).toThrow('probability');
  expect(() => normalQuantile(1)).toThrow('probability');
});
