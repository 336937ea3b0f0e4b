import { expect, it } from 'vitest';
import { compareVersions } from './comparison.ts';

it('is 1 for versions that find the same, 0 for those that find nothing in common', () => {
  const same = compareVersions([{ before: ['a', 'b'], after: ['a', 'b'] }], 1)!;
  expect(same).toMatchObject({ queries: 1, recall: { estimate: 1, lower: 1, upper: 1 } });
  expect(same.rankOverlap.estimate).toBeCloseTo(1, 12);
  expect(compareVersions([{ before: ['a', 'b'], after: ['c', 'd'] }], 1)).toMatchObject({ recall: { estimate: 0 }, rankOverlap: { estimate: 0 } });
});

it('is the mean over queries, and tells order from membership', () => {
  const pairs = [
    { before: ['a', 'b', 'c', 'd'], after: ['b', 'a', 'c', 'd'] }, // all found, the first two swapped
    { before: ['a', 'b', 'c', 'd'], after: ['a', 'x', 'y', 'z'] }, // a quarter found
  ];
  const { queries, recall, rankOverlap } = compareVersions(pairs, 1)!;
  expect([queries, recall.estimate]).toEqual([2, (1 + 1 / 4) / 2]);
  expect([recall.lower, recall.upper]).toEqual([1 / 4, 1]);
  // Of equal depth: 0.1 (A₁ + 0.9 A₂ + …), the last agreement for ever; A = 0, 1, 1 … and 1, ½, ⅓, ¼ …
  const swapped = 0.1 * (0.9 / 0.1);
  const quarter = 0.1 * (1 + 0.9 / 2 + 0.81 / 3 + (0.729 / 4) * 10);
  expect(rankOverlap.estimate).toBeCloseTo((swapped + quarter) / 2, 10);
});

it('leaves out queries that had nothing to find', () => {
  expect(compareVersions([{ before: [], after: [] }], 1)).toBeUndefined();
});
