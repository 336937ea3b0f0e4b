import { expect, it } from 'vitest';
import { lowestThreshold, thresholdOf } from './threshold.ts';

const thresholds = [
  { score: 0.8 },
  { space: 'image', score: 0.7 },
  { category: 'weapons', score: 0.6 },
  { category: 'weapons', space: 'image', score: 0.9 },
];

it.each([
  ['weapons', 'image', 0.9],
  ['weapons', 'text', 0.6],
  ['drugs', 'image', 0.7],
  ['drugs', 'text', 0.8],
])('of %s in %s is %d', (category, space, score) => expect(thresholdOf(thresholds, category, space)).toBe(score));

it('is 0.85 where nothing is said', () => {
  expect(thresholdOf([], 'weapons', 'image')).toBe(0.85);
  expect(thresholdOf([{ category: 'drugs', score: 0.5 }], 'weapons', 'image')).toBe(0.85);
});

it('the lowest in a space is never above the one that applies', () => {
  expect(lowestThreshold(thresholds, 'text')).toBe(0.6);
  expect(lowestThreshold(thresholds, 'image')).toBe(0.6);
  expect(lowestThreshold([{ category: 'drugs', score: 0.95 }], 'text')).toBe(0.85);
  expect(lowestThreshold([], 'text')).toBe(0.85);
});
