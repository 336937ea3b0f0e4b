import { expect, it } from 'vitest';
import { preferredVector, unitVector } from './preferred-vector.ts';

const vector = (...values: number[]) => Float32Array.from(values);

it('is the mean of the positive examples, of length 1', () => {
  expect([...preferredVector([vector(1, 0), vector(0, 1)], [])!]).toEqual([expect.closeTo(Math.SQRT1_2, 6), expect.closeTo(Math.SQRT1_2, 6)]);
  expect([...preferredVector([vector(0.6, 0.8)], [])!]).toEqual([expect.closeTo(0.6, 6), expect.closeTo(0.8, 6)]);
});

it('moves away from the mean of the negative ones by the distance between both', () => {
  // 2·(1,0) − (0,1) = (2,−1), of length √5
  expect([...preferredVector([vector(1, 0)], [vector(0, 1)])!]).toEqual([expect.closeTo(2 / Math.sqrt(5), 6), expect.closeTo(-1 / Math.sqrt(5), 6)]);
  // 2·(1,0) − ((0,1) + (0,−1))/2 = (2,0)
  expect([...preferredVector([vector(1, 0)], [vector(0, 1), vector(0, -1)])!]).toEqual([1, 0]);
});

it('is nothing where the examples cancel each other out', () => {
  expect(preferredVector([vector(1, 0), vector(-1, 0)], [])).toBeUndefined();
  expect(preferredVector([vector(1, 0), vector(0.28, 0.96), vector(0.28, -0.96)], [vector(1, 0)])).toBeDefined();
  expect(unitVector([0, 0])).toBeUndefined();
});
