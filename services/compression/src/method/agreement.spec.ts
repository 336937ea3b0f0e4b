import { expect, it } from 'vitest';
import { agreement, meanScore } from './agreement.ts';

it.each([
  [[1, 2, 3], [1, 2, 3], 3, 1],
  [[1, 2, 3], [4, 5], 0, 0],
  [[1, 2, 3, 4], [3, 4, 5, 6], 2, 1 / 3],
  [[1, 2, 3, 4], [2], 1, 1 / 4],
])('%j and %j share %d', (one, other, overlap, jaccard) => {
  expect(agreement(one, other)).toEqual({ overlap, jaccard });
  expect(agreement(Uint32Array.from(other), one)).toEqual({ overlap, jaccard });
});

it('a mean is of the chosen alone', () => expect(meanScore(Float32Array.of(1, 2, 4, 8), [1, 3])).toBe(5));
