import { seededRandom } from '@touchstone/runtime/random';
import { describe, expect, it } from 'vitest';
import { coarserGrid, gridTokens, randomTokens } from './selections.ts';

describe('random tokens', () => {
  it('are distinct, ascending, and follow from the seed', () => {
    const drawn = randomTokens(100, 20, seededRandom(1));
    expect(new Set(drawn).size).toBe(20);
    expect(drawn).toEqual(drawn.toSorted());
    expect(drawn).toEqual(randomTokens(100, 20, seededRandom(1)));
    expect(drawn).not.toEqual(randomTokens(100, 20, seededRandom(2)));
    expect(randomTokens(5, 9, seededRandom(1))).toEqual(Uint32Array.of(0, 1, 2, 3, 4));
  });

  it('are each as likely as any other', () => {
    const random = seededRandom(3);
    const times = new Uint32Array(10);
    for (let round = 0; round < 10_000; round++) for (const token of randomTokens(10, 3, random)) times[token] += 1;
    // 3,000 each; a standard deviation is 46.
    for (const each of times) expect(Math.abs(each - 3_000)).toBeLessThan(230);
  });
});

describe('tokens of a grid', () => {
  it.each<[number, number, number, number[]]>([
    [4, 4, 4, [5, 7, 13, 15]],
    [4, 4, 16, Array.from({ length: 16 }, (_, token) => token)],
    [4, 4, 100, Array.from({ length: 16 }, (_, token) => token)],
    [4, 4, 1, [10]],
    [2, 8, 4, [9, 11, 13, 15]],
  ])('of %d × %d, at most %d', (rows, columns, count, expected) => expect([...gridTokens(rows, columns, count)]).toEqual(expected));

  it('are never more than asked, and distinct', () => {
    for (let count = 1; count <= 600; count++) {
      const tokens = gridTokens(24, 24, count);
      expect(tokens.length).toBeLessThanOrEqual(count);
      expect(new Set(tokens).size).toBe(tokens.length);
    }
    expect(() => gridTokens(4, 4, 0)).toThrow(/at least 1/);
  });
});

it.each<[number, number, number, number, number]>([
  [16, 16, 28, 5, 5],
  [16, 16, 57, 7, 8],
  [16, 16, 85, 9, 9],
  [24, 24, 64, 8, 8],
  [8, 32, 16, 2, 8],
  [4, 4, 100, 4, 4],
])('a grid of %d × %d with at most %d cells is %d × %d', (rows, columns, count, coarseRows, coarseColumns) => {
  expect(coarserGrid(rows, columns, count)).toEqual({ rows: coarseRows, columns: coarseColumns });
});
