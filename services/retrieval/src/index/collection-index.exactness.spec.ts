import { seededRandom } from '@touchstone/runtime/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { filledIndex, textItem as item } from './filled-index.ts';
import { gaussian, normalised, unitVector } from './random-vectors.ts';
import { Scanner } from './scanner.ts';
import type { IndexedItem } from './vector-index.ts';

let scanner: Scanner;
beforeAll(async () => void (scanner = await Scanner.start({ workers: 2 })));
afterAll(() => scanner.close());

const filled = (dimension: number, items: readonly IndexedItem[], by = scanner) => filledIndex(by, dimension, items);

const seed = 5;
const dimension = 48;
const shapes: [string, (index: number, random: () => number, base: Float32Array) => Float32Array][] = [
  ['rows that quantise alike', (_, random, base) => normalised(base.map((value) => value + 1e-7 * gaussian(random)))],
  ['rows that are all the same', (_, __, base) => base],
  ['rows on both sides of a rounding step', (index, random) => normalised(new Float32Array(dimension).map((_, at) => (at === index % 7 ? 1 : (0.5 + 1e-4 * gaussian(random)) / 127)))],
  ['one coordinate that hides the others', (_, random) => new Float32Array(dimension).map((_, at) => (at === 0 ? 1 : 0.003 * gaussian(random)))],
  ['tiny and huge rows', (index, random) => unitVector(dimension, random).map((value) => value * 10 ** ((index % 61) - 30))],
  ['the smallest numbers of float32', (_, random) => new Float32Array(dimension).map((_, at) => (at === 0 ? 1 : random()) * 1e-43)],
];

it.each(shapes)('holds for %s', async (_, draw) => {
  const random = seededRandom(seed);
  const base = unitVector(dimension, random);
  const items = Array.from({ length: 3000 }, (_, index) => item(`item-${index}`, draw(index, random, base), { even: index % 2 === 0 }));
  const { index, plain } = filled(dimension, items);
  for (const vector of [base, base.map((value) => -value), items[17].parts[0].vector, unitVector(dimension, random)]) {
    for (const filter of [undefined, { field: 'even', in: [true] }]) {
      const query = { space: 'text', vector, limit: 10, filter, exclude: ['item-17'] };
      expect((await index.search(query)).hits, `seed ${seed}`).toEqual(plain.search(query).hits);
    }
  }
  index.close();
});

it.each([1, 2, 16, 17, 768, 4096])('holds in %d dimensions', async (dimension) => {
  const random = seededRandom(seed);
  const { index, plain } = filled(dimension, Array.from({ length: 600 }, (_, at) => item(`item-${at}`, unitVector(dimension, random))));
  const query = { space: 'text', vector: unitVector(dimension, random), limit: 25 };
  expect((await index.search(query)).hits).toEqual(plain.search(query).hits);
  index.close();
});

it.each([130, 256, 800])('holds where heads rule rows out, in %d dimensions', async (dimension) => {
  const random = seededRandom(seed);
  // As Matryoshka embeddings: clusters, and the first values carry most.
  const deviations = Float32Array.from({ length: dimension }, (_, at) => (at + 1) ** -0.6);
  const draw = (centre: Float32Array, spread: number) => normalised(centre.map((value, at) => value + spread * deviations[at] * gaussian(random)));
  const centres = Array.from({ length: 40 }, () => draw(new Float32Array(dimension), 1));
  const items = Array.from({ length: 1500 }, (_, at) => item(`item-${at}`, draw(centres[at % 40], 0.3 * random()), { third: at % 3 }));
  const { index, plain } = filled(dimension, items);
  for (let round = 0; round < 8; round++) {
    const vector = draw(centres[round], 0.2);
    for (const filter of [undefined, { field: 'third', in: [round % 3, 5] }]) {
      for (const dimensions of [undefined, 1, 16, 60, 64, 65, 100, dimension]) {
        const query = { space: 'text', vector, limit: 10, filter, dimensions, minScore: round % 2 ? 0.8 : undefined };
        expect((await index.search(query)).hits, `seed ${seed}, ${JSON.stringify({ ...query, vector: round })}`).toEqual(plain.search(query).hits);
      }
    }
    for (let at = 0; at < 60; at++) {
      const next = item(`item-${at + round}`, draw(centres[round], 0.3), { third: round });
      index.upsert(next);
      plain.upsert(next);
    }
  }
  index.close();
});

it('shares the work of a large collection among the threads', async () => {
  const random = seededRandom(seed);
  const { index, plain } = filled(256, Array.from({ length: 24_000 }, (_, at) => item(`item-${at}`, unitVector(256, random), { tenth: at % 10, half: at % 2 })));
  for (const filter of [undefined, undefined, { field: 'tenth', in: [3] }, { field: 'half', in: [1] }]) {
    const query = { space: 'text', vector: unitVector(256, random), limit: 10, filter };
    expect(await index.search(query)).toEqual({ ...plain.search(query), route: 'exact' });
  }
  index.close();
});
