import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { type DuplicatePair, Keepers } from './keepers.ts';

interface GivenPair extends DuplicatePair {
  readonly strength: number;
  readonly isMerged?: boolean;
}

/** `AB2` says that A, the older, and B are similar with strength 2; `AB2!` that they were merged. */
const pairs = (...texts: string[]): GivenPair[] =>
  texts.map((text) => ({ keeper: text[0], duplicate: text[1], strength: Number(text[2]), isMerged: text.endsWith('!') }));

/** @param items oldest first. */
function keepers(items: readonly string[], given: readonly GivenPair[]): ReadonlyMap<string, string> {
  const age = new Map(items.map((id, index) => [id, index]));
  const decided = new Keepers(given.filter(({ isMerged }) => isMerged));
  const ordered = given.toSorted((a, b) => age.get(a.duplicate)! - age.get(b.duplicate)! || b.strength - a.strength || age.get(a.keeper)! - age.get(b.keeper)!);
  for (const pair of ordered) decided.offer(pair, age.get(pair.keeper)! < age.get(pair.duplicate)!);
  return decided.keeperOf;
}

it.each<[string, string, string[], string]>([
  ['one pair', 'AB', ['AB5'], 'A<B'],
  ['a chain keeps B and C apart', 'ABC', ['AB1', 'BC1'], 'A<B'],
  ['however strong its second pair is', 'ABC', ['AB1', 'BC9'], 'A<B'],
  ['a longer chain', 'ABCD', ['AB1', 'BC1', 'CD1'], 'A<B C<D'],
  ['all similar to each other', 'ABC', ['AB1', 'AC1', 'BC9'], 'A<B A<C'],
  ['the stronger of two keepers', 'ABC', ['AC1', 'BC2'], 'B<C'],
  ['the older keeper on a tie', 'ABC', ['BC2', 'AC2'], 'A<C'],
  ['a merged pair stands', 'ABC', ['AB1', 'BC1!'], 'B<C'],
  ['and its duplicate keeps nobody', 'ABCD', ['AC1!', 'CD9'], 'A<C'],
  ['a pair whose keeper is the younger one by now folds nothing', 'ABC', ['BA1', 'AC1'], 'A<C'],
  ['unless it was merged with another', 'ABC', ['BA1', 'BC1!'], 'B<A B<C'],
  ['nothing', 'AB', [], ''],
])('%s', (_, items, given, expected) => {
  const decided = keepers([...items], pairs(...given));
  expect([...decided].map(([duplicate, keeper]) => `${keeper}<${duplicate}`).sort().join(' ')).toBe(expected);
});

it('makes no chains and forgets nobody', () => {
  const seed = 77;
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const items = Array.from({ length: 2 + Math.floor(random() * 30) }, (_, index) => `i${index}`);
    const given: GivenPair[] = items.flatMap((keeper, a) =>
      items.slice(a + 1).flatMap((duplicate) => (random() < 0.15 ? [{ keeper, duplicate, strength: Math.floor(random() * 4) }] : [])),
    );
    const decided = keepers(items, given);
    const similar = new Map(given.map((pair) => [`${pair.keeper} ${pair.duplicate}`, pair.strength]));
    for (const [duplicate, keeper] of decided) {
      expect(similar.has(`${keeper} ${duplicate}`), `seed ${seed}`).toBe(true);
      expect(decided.has(keeper), `seed ${seed}`).toBe(false);
    }
    for (const { keeper, duplicate } of given) expect(decided.has(keeper) || decided.has(duplicate), `seed ${seed}`).toBe(true);
  }
});
