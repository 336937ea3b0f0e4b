import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { BestItems } from './best-items.ts';
import type { Hit } from './vector-index.ts';

it('keeps the best distinct items in any order of arrival', () => {
  const seed = 3;
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const offers: Hit[] = Array.from({ length: Math.floor(random() * 60) }, (_, index) => ({ id: `i${Math.floor(random() * 12)}`, score: Math.floor(random() * 6) / 4, kinds: ['text'], part: index }));
    const best = new BestItems(1 + Math.floor(random() * 8));
    for (const hit of offers.toSorted(() => random() - 0.5)) best.offer(hit);

    const byId = Map.groupBy(offers, ({ id }) => id);
    const expected = [...byId.values()]
      .map((hits) => hits.sort((a, b) => b.score - a.score || a.part - b.part)[0])
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
      .slice(0, best.limit);
    expect(best.hits, `seed ${seed}, round ${round}`).toEqual(expected);
  }
});
