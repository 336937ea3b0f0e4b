import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { bootstrapInterval } from './bootstrap.ts';
import { pairedDifference } from './paired-bootstrap.ts';

/** Draws the positions one after another, of a sample of this size. */
const draws = (size: number, positions: readonly number[]) => {
  const left = [...positions];
  return () => left.shift()! / size;
};

it('has the quantiles of the resampled means, by hand', () => {
  // All four samples of {0, 1} with replacement: means 0, ½, ½, 1. A quarter lies at place ¾ of 0…3: between 0 and ½.
  const random = draws(2, [0, 0, 0, 1, 1, 0, 1, 1]);
  expect(bootstrapInterval([0, 1], { random, confidence: 0.5, resamples: 4 })).toEqual({ estimate: 0.5, lower: 0.375, upper: 0.625 });
});

it('has the standard error of Efron’s mice: their mean 86.86 ± 23.36 (An Introduction to the Bootstrap, table 2.1)', () => {
  const mice = [94, 197, 16, 38, 99, 141, 23];
  const { estimate, lower, upper } = bootstrapInterval(mice, { random: seededRandom(1), confidence: 0.6826894921, resamples: 20_000 });
  expect(estimate).toBeCloseTo(86.86, 2);
  expect((upper - lower) / 2 / 23.36).toBeCloseTo(1, 1);
});

it('covers the true mean about as often as it says, seeds 1 to 300', () => {
  const covered = Array.from({ length: 300 }, (_, seed) => {
    const random = seededRandom(seed + 1);
    const { lower, upper } = bootstrapInterval(Array.from({ length: 50 }, random), { random, resamples: 300 });
    return lower <= 0.5 && 0.5 <= upper;
  }).filter(Boolean).length;
  expect(covered / 300).toBeGreaterThan(0.9);
  expect(covered / 300).toBeLessThan(0.99);
});

it('follows from the seed, and one value has no width', () => {
  const interval = (seed: number) => bootstrapInterval([1, 2, Math.PI, 5, 8], { random: seededRandom(seed), resamples: 100 });
  expect(interval(7)).toEqual(interval(7));
  expect(interval(7)).not.toEqual(interval(8));
  expect(bootstrapInterval([3], { random: seededRandom(1) })).toEqual({ estimate: 3, lower: 3, upper: 3 });
});

it('sees a small difference of pairs that vary much more', () => {
  const random = seededRandom(3);
  const first = Array.from({ length: 40 }, () => 100 * random());
  const second = first.map((value) => value + 1 + random());
  const { estimate, lower, upper } = pairedDifference(first, second, { random });
  expect(lower).toBeGreaterThan(1);
  expect(upper).toBeLessThan(2);
  expect(estimate).toBeCloseTo(second.reduce((sum, value, index) => sum + value - first[index], 0) / 40, 10);
});

it('refuses what has no interval', () => {
  const random = seededRandom(1);
  expect(() => bootstrapInterval([], { random })).toThrow('sample');
  expect(() => bootstrapInterval([1], { random, confidence: 1 })).toThrow('confidence');
  expect(() => pairedDifference([1], [1, 2], { random })).toThrow('pairs');
});
