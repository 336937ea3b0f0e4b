import { expect, it } from 'vitest';
import { rankBiasedOverlap } from './rank-biased-overlap.ts';

// By hand, p = ½: agreements A₁ A₂ …; ½ A₁ + ¼ A₂ + …, the last one for all that follow.
it.each([
  ['equal', 'abc', 'abc', 1],
  ['nothing in common', 'abc', 'xyz', 0],
  ['first two swapped: 0, 1, 1, …', 'abc', 'bac', 0.5],
  ['last one replaced: 1, 1, ⅔, …', 'abc', 'abx', 0.5 + 0.25 + 0.25 * (2 / 3)],
  ['shorter one, all of it at the top of the other: 1, 1, 1, …', 'ab', 'abc', 1],
  ['both empty', '', '', 1],
  ['one empty', '', 'a', 0],
])('%s', (_, first, second, expected) => {
  expect(rankBiasedOverlap([...first], [...second], 0.5)).toBeCloseTo(expected, 12);
  expect(rankBiasedOverlap([...second], [...first], 0.5)).toBeCloseTo(expected, 12);
});

it('counts the top most', () => {
  const ranking = [...'abcdefghij'];
  const swapped = (place: number) => ranking.with(place, ranking[place + 1]).with(place + 1, ranking[place]);
  expect(rankBiasedOverlap(ranking, swapped(0))).toBeLessThan(rankBiasedOverlap(ranking, swapped(8)));
});

it('refuses a persistence that ends at once or never', () => {
  expect(() => rankBiasedOverlap(['a'], ['a'], 1)).toThrow('persistence');
});
