import { expect, it } from 'vitest';
import { reciprocalRankFusion } from './reciprocal-rank-fusion.ts';

it('adds 1/(60 + rank) over the rankings', () => {
  const fused = reciprocalRankFusion([
    ['a', 'b', 'c'],
    ['c', 'a'],
  ]);
  expect(fused.map(({ id }) => id)).toEqual(['a', 'c', 'b']);
  expect(fused[0].score).toBeCloseTo(1 / 61 + 1 / 62, 12);
  expect(fused[1].score).toBeCloseTo(1 / 63 + 1 / 61, 12);
  expect(fused[2].score).toBeCloseTo(1 / 62, 12);
});

it('orders equal sums by id, and one ranking as it was', () => {
  expect(reciprocalRankFusion([['b', 'a'], ['a', 'b']]).map(({ id }) => id)).toEqual(['a', 'b']);
  expect(reciprocalRankFusion([['z', 'y', 'x']]).map(({ id }) => id)).toEqual(['z', 'y', 'x']);
  expect(reciprocalRankFusion([])).toEqual([]);
});
