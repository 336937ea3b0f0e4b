import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { headWidth, paddedWidth, quantiseQuery, quantiseRow, rowFigures } from './quantisation.ts';
import { gaussian, unitVector } from './random-vectors.ts';

const quantised = (vector: Float32Array, prefix = vector.length, length = 1) => {
  const values = new Int8Array(paddedWidth(vector.length)).fill(99);
  const scale = quantiseRow(vector, values);
  return { ...rowFigures(vector, values, { scale, head: headWidth(vector.length), prefix, length }), values };
};

it('stores a vector as a scale and signed bytes, with what that loses', () => {
  const { scale, residual, headNorm, tailNorm, headSum, sum, values } = quantised(Float32Array.of(127, -64, 0.25));
  expect(scale).toBe(1);
  expect([...values]).toEqual([127, -64, 0, ...Array<number>(13).fill(0)]);
  expect([headSum, sum]).toEqual([63, 63]);
  expect(residual).toBeCloseTo(0.25, 6);
  expect(headNorm).toBeCloseTo(Math.hypot(127, 64), 3);
  expect(tailNorm).toBe(0);
});

it('splits a long vector into head and tail', () => {
  const { headNorm, tailNorm, headSum, sum } = quantised(Float32Array.from({ length: 130 }, (_, index) => (index < 64 ? 127 : index === 64 ? -27 : 0)));
  expect(headNorm).toBeCloseTo(127 * 8, 2);
  expect(tailNorm).toBeCloseTo(27, 4);
  expect([headSum, sum]).toEqual([127 * 64, 127 * 64 - 27]);
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

/** The bound of the head as the kernel computes it, in float32. */
function headBound(q: ReturnType<typeof quantiseQuery>, x: ReturnType<typeof quantised>, head: number): number {
  let high = 0;
  for (let i = 0; i < head; i++) high += q.planes[i] * x.values[i];
  const { fround } = Math;
  const centred = fround(fround(128 * high) - fround(8128.5 * x.headSum));
  const { scale, headSlack, headError, tailNorm } = q.float32;
  const scaled = fround(x.scale * fround(fround(scale * centred) + headSlack));
  return fround(fround(scaled + fround(headError * x.headNorm)) + fround(tailNorm * x.tailNorm));
}

it.each(shapes)('bounds the inner product from above, of whole vectors and of prefixes: %s', (shape, draw) => {
  const seed = 20260724;
  const random = seededRandom(seed);
  for (const dimension of [1, 2, 15, 16, 17, 100, 256, 768, 4096]) {
    for (let round = 0; round < 30; round++) {
      const vector = draw(dimension, random);
      const row = round % 3 === 0 ? vector : draw(dimension, random);
      const prefix = round % 2 === 0 ? dimension : 1 + Math.floor(random() * dimension);
      const isWhole = prefix === dimension;
      const query = vector.subarray(0, prefix);
      const lengths = isWhole ? [1, 1] : [Math.hypot(...query), Math.hypot(...row.subarray(0, prefix))];
      if (lengths.includes(0)) continue;
      const head = headWidth(dimension);
      const { planes, ...q } = quantiseQuery(query, head, lengths[0]);
      const x = quantised(row, prefix, lengths[1]);
      let exact = 0;
      let product = 0;
      let coarse = 0;
      const width = planes.length / 2;
      for (let i = 0; i < width; i++) {
        if (i < prefix) exact += query[i] * row[i];
        product += (128 * planes[i] + planes[width + i]) * x.values[i];
        coarse += 128 * planes[i] * x.values[i];
      }
      exact /= lengths[0] * lengths[1];
      const norm = Math.hypot(x.headNorm, x.tailNorm);
      const approximate = q.scale * x.scale * (product - 8192 * x.sum);
      const slack = q.norm * x.residual + q.error * norm;
      const message = `seed ${seed}, dimension ${dimension}, prefix ${prefix}, round ${round}`;
      expect(approximate + slack, message).toBeGreaterThanOrEqual(exact);
      expect(approximate - slack, message).toBeLessThanOrEqual(exact);
      expect(q.scale * x.scale * (coarse - 8128.5 * x.sum) + q.norm * x.residual + q.coarseError * norm, message).toBeGreaterThanOrEqual(exact);
      const bound = headBound({ planes, ...q }, x, Math.min(head, width));
      // What is no number rules nothing out either.
      expect(bound < exact, `${message}: head ${bound}, exact ${exact}`).toBe(false);
      // and for unit vectors it is not far off
      if (shape === 'unit vectors' && head >= prefix) expect(bound - exact).toBeLessThan(0.1);
    }
  }
});
