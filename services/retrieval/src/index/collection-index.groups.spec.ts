import { seededRandom } from '@touchstone/runtime/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { filledIndex, textItem as item } from './filled-index.ts';
import { gaussian, normalised, unitVector } from './random-vectors.ts';
import { Scanner } from './scanner.ts';
import type { Filter, IndexedItem } from './vector-index.ts';

let scanner: Scanner;
beforeAll(async () => void (scanner = await Scanner.start({ workers: 2 })));
afterAll(() => scanner.close());

const filled = (dimension: number, items: readonly IndexedItem[], by = scanner) => filledIndex(by, dimension, items);

const seed = 12;
/** Twelve clusters far apart, each a category, the largest nearest to the query; every tenth item has no category. */
const clustered = (by = scanner) => {
  const random = seededRandom(seed);
  const centres = Array.from({ length: 12 }, () => unitVector(24, random));
  const items = Array.from({ length: 4000 }, (_, at): IndexedItem => {
    const cluster = Math.floor(12 * random() ** 3);
    const vector = normalised(centres[cluster].map((value) => value + 0.05 * gaussian(random)));
    return { ...item(`item-${at}`, vector, at % 10 === 0 ? { isOdd: at % 2 === 1 } : { isOdd: at % 2 === 1, category: cluster % 2 ? cluster : `c${cluster}` }), keeper: at % 3 === 0 ? `item-${cluster}` : undefined };
  });
  return { ...filled(24, items, by), query: { space: 'text', vector: centres[0], limit: 10, groupBy: { field: 'category' } } as const };
};

it('answers as many as are asked for, also when the best thousand rows are of one', async () => {
  const { index, plain, query } = clustered();
  for (const groupBy of [query.groupBy, 'duplicateCluster', 'note', 'part'] as const) {
    for (const limit of [1, 10, 300]) {
      const asked = { ...query, groupBy, limit };
      const { hits } = await index.search(asked);
      expect(hits, `seed ${seed}, ${JSON.stringify(groupBy)}`).toEqual(plain.search(asked).hits);
      expect(hits).toHaveLength(limit);
    }
  }
  const onlyCategories = { ...query, limit: 50, filter: { field: 'category', exists: true } };
  expect((await index.search(onlyCategories)).hits.map(({ group }) => group)).toHaveLength(12);
  index.close();
});

it.each<[number, Filter]>([
  [1, { field: 'category', exists: true }],
  [2, { field: 'category', exists: true }],
  [1, { field: 'isOdd', in: [true] }],
  [2, { field: 'isOdd', in: [true] }],
])('rank by what is there when the answer comes, after scan %d, filter %j', async (when, filter) => {
  let scans = 0;
  const hooked = {
    arena: scanner.arena,
    async scan(scan: Parameters<Scanner['scan']>[0]) {
      const kept = await scanner.scan(scan);
      scans++;
      if (scans === when) for (const { id } of plain.search({ ...asked, groupBy: 'note', limit: 1000 }).hits) for (const each of [index, plain]) each.delete(id);
      return kept;
    },
  };
  const { index, plain, query } = clustered(hooked as unknown as Scanner);
  // Wants more groups than there are, so several scans are needed; all that is found of the first groups is deleted meanwhile.
  const asked = { ...query, limit: 30, minScore: -0.9, filter };
  const { hits } = await index.search(asked);
  expect(scans).toBeGreaterThan(when);
  expect(hits, `seed ${seed}`).toEqual(plain.search(asked).hits);
  index.close();
});
