import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { BestGroups } from './best-groups.ts';
import { type Hit, kinds } from './vector-index.ts';

it('keeps the best of the best groups in any order of arrival', () => {
  const seed = 3;
  const random = seededRandom(seed);
  const pick = (count: number) => Math.floor(random() * count);
  for (let round = 0; round < 300; round++) {
    const offers: Hit[] = Array.from({ length: pick(60) }, () => ({ id: `i${pick(12)}`, score: pick(6) / 4, kinds: [kinds[pick(4)]], part: pick(3), group: pick(9) }));
    const minScore = pick(2) === 0 ? pick(6) / 4 : -Infinity;
    const passed = [pick(9), pick(30)];
    const best = new BestGroups(1 + pick(8), minScore);
    for (const group of passed) best.pass(group);
    for (const hit of offers.toSorted(() => random() - 0.5)) best.offer(hit, hit.group);

    const rank = ({ score, id, part, kinds: [kind] }: Hit) => `${9 - score} ${id.padEnd(4)} ${part} ${kinds.indexOf(kind)}`;
    const byGroup = Map.groupBy(offers.filter(({ score, group }) => score >= minScore && !passed.includes(group as number)), ({ group }) => group);
    const expected = [...byGroup.values()].map((hits) => hits.map(rank).sort()[0]).sort().slice(0, best.limit);
    expect(best.hits.map(rank), `seed ${seed}, round ${round}`).toEqual(expected);
  }
});
