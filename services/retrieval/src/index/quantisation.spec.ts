import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { paddedWidth, quantiseQuery, quantiseRow } from './quantisation.ts';
import { gaussian, unitVector } from './random-vectors.ts';

const quantised = (vector: Float32Array) => {
  const values = new Int8Array(paddedWidth(vector.length)).fill(99);
  return { ...quantiseRow(vector, values), values };
};

it('stores a vector as a scale and signed bytes, with what that loses', () => {
  const { scale, residual, norm, sum, values } = quantised(Float32Array.of(127, -64, 0.25));
  expect(scale).toBe(1);
  expect([...values]).toEqual([127, -64, 0, ...Array<number>(13).fill(0)]);
  expect(sum).toBe(63);
  expect(residual).toBeCloseTo(0.25, 6);
  expect(norm).toBeCloseTo(Math.hypot(127, 64), 4);
});

it('splits a query into two planes of 7 bits', () => {
  const { planes, scale } = quantiseQuery(Float32Array.of(8191, -8191, 5));
  expect(scale).toBe(1);
  expect([0, 1, 2].map((index) => 128 * planes[index] + planes[16 + index] - 8192)).toEqual([8191, -8191, 5]);
  expect(Math.max(...planes)).toBeLessThanOrEqual(127);
});

const shapes: [string, (dimension: number, random: () => number) => Float32Array][] = [
  ['unit vectors', unitVector],
  ['tiny vectors', (dimension, random) => Float32Array.from({ length: dimension }, () => 1e-30 * gaussian(random))],
  ['the smallest numbers of float32', (dimension, random) => Float32Array.from({ length: dimension }, (_, index) => (index === 0 ? 1e-45 : 1e-44 * (random() - 0.5)))],
  ['huge vectors', (dimension, random) => Float32Array.from({ length: dimension }, () => 1e33 * gaussian(random))],
  ['one spike', (dimension, random) => Float32Array.from({ length: dimension }, (_, index) => (index === 0 ? 1 : 1e-3 * gaussian(random)))],
  ['one value throughout', (dimension) => new Float32Array(dimension).fill(0.37)],
];

it.each(shapes)('bounds the inner product from above: %s', (_, draw) => {
  const seed = 20260724;
  const random = seededRandom(seed);
  for (const dimension of [1, 2, 15, 16, 17, 100, 256, 4096]) {
    for (let round = 0; round < 30; round++) {
      const query = draw(dimension, random);
      const row = round % 3 === 0 ? query : draw(dimension, random);
      const { planes, ...q } = quantiseQuery(query);
      const x = quantised(row);
      let exact = 0;
      let product = 0;
      let coarse = 0;
      for (let i = 0; i < dimension; i++) {
        exact += query[i] * row[i];
        product += (128 * planes[i] + planes[x.values.length + i] - 8192) * x.values[i];
        coarse += (128 * planes[i] + 63.5 - 8192) * x.values[i];
      }
      const approximate = q.scale * x.scale * product;
      const slack = q.norm * x.residual + q.error * x.norm;
      expect(approximate + slack, `seed ${seed}, dimension ${dimension}, round ${round}`).toBeGreaterThanOrEqual(exact);
      expect(approximate - slack).toBeLessThanOrEqual(exact);
      expect(q.scale * x.scale * coarse + q.norm * x.residual + q.coarseError * x.norm).toBeGreaterThanOrEqual(exact);
    }
  }
});
