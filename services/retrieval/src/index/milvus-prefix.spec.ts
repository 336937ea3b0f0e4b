import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { leastNorm, padded, prefixCosine, product } from './milvus-prefix.ts';
import { unitVector } from './random-vectors.ts';

it('compares the first numbers of both, whatever follows', () => {
  expect(prefixCosine([3, 4, 9], [4, 3, -7], 2)).toBeCloseTo(24 / 25, 12);
  expect(prefixCosine([1, 0, 0], [0, 0, 1], 2)).toBeNaN();
});

it('ranks by the cosine times the length of the row’s prefix', () => {
  const random = seededRandom(5);
  for (let round = 0; round < 100; round++) {
    const [query, row] = [unitVector(24, random), unitVector(24, random)];
    const prefix = 1 + (round % 24);
    const length = Math.sqrt(product(row, row, prefix));
    expect(product(padded(query, prefix), row)).toBeCloseTo(prefixCosine(query, row, prefix) * length, 6);
  }
});

it('knows a length that all but one in two hundred prefixes reach', () => {
  const sample = Array.from({ length: 1_000 }, (_, index) => [(index + 1) / 1_000, 0.5]);
  expect(leastNorm(sample, 1)).toBeCloseTo(0.006, 12);
  expect(leastNorm([], 1)).toBe(0);
});
