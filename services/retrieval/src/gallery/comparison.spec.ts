import { expect, it } from 'vitest';
import { comparisons, isMatch } from './comparison.ts';

const found = (referenceId: string, space: string, score: number) => ({ referenceId, space, score, kind: space, part: 0 });
const categoryOf = (id: string) => id.split('-')[0];

it('counts for each reference the space where it is closest to a match', () => {
  const thresholds = [{ space: 'image', score: 0.9 }, { space: 'text', score: 0.5 }];
  const [first, second] = comparisons([found('a-1', 'image', 0.95), found('a-1', 'text', 0.6), found('b-1', 'image', 0.8)], categoryOf, thresholds);
  expect(first).toMatchObject({ referenceId: 'a-1', space: 'text', score: 0.6, threshold: 0.5, category: 'a' });
  expect(second).toMatchObject({ referenceId: 'b-1', space: 'image', threshold: 0.9 });
  expect([first, second].map(isMatch)).toEqual([true, false]);
});

it('puts matches first by how far they are above their own threshold, then the others by similarity', () => {
  const thresholds = [{ category: 'strict', score: 0.9 }, { category: 'loose', score: 0.3 }];
  const hits = [found('strict-1', 'text', 0.89), found('strict-2', 'text', 0.95), found('loose-1', 'text', 0.4), found('loose-2', 'text', 0.29), found('strict-3', 'text', 0.95)];
  expect(comparisons(hits, categoryOf, thresholds).map(({ referenceId }) => referenceId)).toEqual(['loose-1', 'strict-2', 'strict-3', 'strict-1', 'loose-2']);
});
