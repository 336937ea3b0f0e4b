import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import type { GroupBy, Hit } from '../index/vector-index.ts';
import { bestOfVectors, compareHits, fuse, groupKey, rankedInSpace } from './rankings.ts';

const hit = (id: string, score: number, more: Partial<Hit> = {}): Hit => ({ id, score, kinds: ['image'], part: 0, group: id, ...more });
const ids = (hits: readonly { id: string }[]) => hits.map(({ id }) => id).join('');

it('takes of several vectors the best pair of parts', () => {
  const rankings = [
    [hit('a', 0.9), hit('b', 0.5), hit('c', 0.4)],
    [hit('c', 0.8, { part: 2 }), hit('a', 0.7), hit('b', 0.6)],
  ];
  expect(bestOfVectors(rankings, 'note', 3)).toEqual([hit('a', 0.9), hit('c', 0.8, { part: 2 }), hit('b', 0.6)]);
  expect(ids(bestOfVectors(rankings, 'note', 2))).toBe('ac');
});

it('has the first of all from the first of each, whatever is grouped', () => {
  const seed = 5;
  const random = seededRandom(seed);
  const groupings: GroupBy[] = ['part', 'note', 'duplicateCluster', { field: 'colour' }];
  for (let round = 0; round < 200; round++) {
    const groupBy = groupings[round % groupings.length];
    const vectors = Array.from({ length: 3 }, () =>
      Array.from({ length: 30 }, (_, index) => {
        const id = `i${index % 12}`;
        const group = { note: id, duplicateCluster: index % 12 < 4 ? 'i0' : undefined, part: undefined }[String(groupBy)] ?? (index % 12) % 5;
        return hit(id, Math.floor(random() * 8) / 8, { part: index, group });
      }),
    );
    const rankings = vectors.map((rows) => firstOfGroups(rows, groupBy));
    const plain = firstOfGroups(vectors.flat(), groupBy);
    const limit = 1 + Math.floor(random() * plain.length);
    expect(bestOfVectors(rankings.map((ranking) => ranking.slice(0, limit)), groupBy, limit), `seed ${seed}, round ${round}`).toEqual(plain.slice(0, limit));
  }
});

function firstOfGroups(hits: readonly Hit[], groupBy: GroupBy): Hit[] {
  const seen = new Set<string>();
  return hits.toSorted(compareHits).filter((each) => !seen.has(groupKey(each, groupBy)) && seen.add(groupKey(each, groupBy)));
}

it('fuses spaces by rank and shows the part that ranked best', () => {
  const fused = fuse(
    [
      { space: 'text', hits: [hit('a', 0.9, { kinds: ['text'] }), hit('b', 0.8, { kinds: ['text'] })] },
      { space: 'image', hits: [hit('b', 0.5, { part: 3 }), hit('c', 0.4)] },
    ],
    'note',
  );
  expect(ids(fused)).toBe('bac');
  expect(fused[0]).toMatchObject({ id: 'b', space: 'image', part: 3, kinds: ['image'], score: 1 / 62 + 1 / 61 });
  expect(fused[0].matches).toMatchObject([
    { space: 'text', rank: 2, score: 0.8 },
    { space: 'image', rank: 1, score: 0.5, part: 3 },
  ]);
});

it('fuses groups by what they share, a keeper with its duplicates, and parts not at all', () => {
  const rankings = [
    { space: 'text', hits: [hit('keeper', 0.9, { group: undefined })] },
    { space: 'image', hits: [hit('copy', 0.9, { group: 'keeper' })] },
  ];
  expect(fuse(rankings, 'duplicateCluster')).toHaveLength(1);
  expect(fuse(rankings, { field: 'colour' })).toHaveLength(2);
  const parts = ['text', 'image'].map((space) => ({ space, hits: [hit('a', 0.9, { group: undefined })] }));
  expect(fuse(parts, 'part')).toHaveLength(2);
  expect(fuse(parts, 'note')).toHaveLength(1);
});

it('counts ranks on from the page before', () => {
  expect(rankedInSpace([hit('a', 0.9), hit('b', 0.8)], 'image', 10).map(({ matches }) => matches[0].rank)).toEqual([11, 12]);
});
