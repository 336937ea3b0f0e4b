import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { calibrate, thresholdInterval } from './calibration.ts';

/** `1` is a pair that is a match. */
const pairs = (labels: string, scores: readonly number[]) => scores.map((score, index) => ({ score, isMatch: labels[index] === '1' }));

it('is the lowest threshold that is precise enough', () => {
  // 0.9 1, 0.8 1, 0.7 0, 0.6 1, 0.5 0: down to 0.8 the precision is 1, down to 0.6 it is 3/4.
  const labelled = pairs('11010', [0.9, 0.8, 0.7, 0.6, 0.5]);
  expect(calibrate(labelled, 1)).toEqual({ threshold: 0.8, found: 2, above: 2, matching: 3 });
  expect(calibrate(labelled, 0.75)).toEqual({ threshold: 0.6, found: 3, above: 4, matching: 3 });
  expect(calibrate(labelled.toReversed(), 0.75)).toEqual({ threshold: 0.6, found: 3, above: 4, matching: 3 });
});

it('does not part equal scores', () => {
  expect(calibrate(pairs('1101', [0.9, 0.8, 0.8, 0.7]), 1)).toEqual({ threshold: 0.9, found: 1, above: 1, matching: 3 });
  expect(calibrate(pairs('10', [0.8, 0.8]), 0.9)).toBeUndefined();
});

it('gives no threshold below the last match that it finds', () => {
  expect(calibrate(pairs('1000', [0.9, 0.2, 0.1, 0]), 0.25)?.threshold).toBe(0.9);
});

it('is nothing when no threshold is precise enough', () => {
  expect(calibrate(pairs('011', [0.9, 0.8, 0.7]), 0.95)).toBeUndefined();
  expect(calibrate([], 0.5)).toBeUndefined();
});

it('an interval holds the threshold of pairs that are well apart, and is narrow', () => {
  const matching = Array.from({ length: 200 }, (_, index) => ({ score: 0.8 + index / 1000, isMatch: true }));
  const others = Array.from({ length: 200 }, (_, index) => ({ score: 0.3 + index / 1000, isMatch: false }));
  const { low, high } = thresholdInterval([...matching, ...others], 0.95, seededRandom(1))!;
  expect(calibrate([...matching, ...others], 0.95)!.threshold).toBe(0.8);
  expect(low).toBeGreaterThanOrEqual(0.8);
  expect(high).toBeLessThan(0.82);
});

it('there is no interval where many resampled sets have no threshold', () => {
  expect(thresholdInterval([{ score: 0.9, isMatch: true }, { score: 0.8, isMatch: false }], 0.95, seededRandom(1))).toBeUndefined();
});
