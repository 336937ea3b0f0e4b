import { expect, it } from 'vitest';
import { ndcgAt, precisionAt, recallAt, reciprocalRank } from './ranking-metrics.ts';

const relevant = new Map([...'abc'].map((id) => [id, 1]));
const ranking = [...'xaybz'];

it.each([
  [1, 0, 0],
  [2, 1 / 3, 1 / 2],
  [4, 2 / 3, 2 / 4],
  [10, 2 / 3, 2 / 10],
])('of three relevant items, second and fourth found: R@%d is %d, P %d', (k, recall, precision) => {
  expect(recallAt(k, ranking, relevant)).toBeCloseTo(recall, 12);
  expect(precisionAt(k, ranking, relevant)).toBeCloseTo(precision, 12);
});

it('divides by the rank of the first relevant item', () => {
  expect(reciprocalRank(ranking, relevant)).toBe(1 / 2);
  expect(reciprocalRank(['x', 'y'], relevant)).toBe(0);
  expect(reciprocalRank([], relevant)).toBe(0);
});

it('has the nDCG of the example of Wikipedia’s article, Discounted cumulative gain', () => {
  // Grades 3 2 3 0 1 2 are shown, 3 and 2 are missed: DCG 6.861, ideal 8.740.
  const grades = new Map(Object.entries({ d1: 3, d2: 2, d3: 3, d5: 1, d6: 2, d7: 3, d8: 2 }));
  expect(ndcgAt(6, ['d1', 'd2', 'd3', 'd4', 'd5', 'd6'], grades)).toBeCloseTo(0.785, 3);
});

it('is 1 for the best order, also beyond the number of relevant items, and less for every other', () => {
  const grades = new Map(Object.entries({ a: 3, b: 2, c: 1 }));
  expect(ndcgAt(10, [...'abcxy'], grades)).toBe(1);
  expect(ndcgAt(1, [...'abc'], grades)).toBe(1);
  // 1 + 2 / log₂3 + 3 / 2 over 3 + 2 / log₂3 + 1 / 2
  expect(ndcgAt(3, [...'cba'], grades)).toBeCloseTo((1 + 2 / Math.log2(3) + 1.5) / (3 + 2 / Math.log2(3) + 0.5), 12);
  expect(ndcgAt(3, [...'xyz'], grades)).toBe(0);
});
