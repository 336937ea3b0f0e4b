import { seededRandom } from '@touchstone/runtime/random';
import { afterAll, expect, it } from 'vitest';
import { CollectionIndex } from './collection-index.ts';
import type { PartPair } from './collection-pairs.ts';
import { FloatVectors } from './float-vectors.ts';
import { pairPrefix } from './pair-prefix.ts';
import { PairSearch, type Square } from './pair-search.ts';
import { gaussian, normalised, unitVector } from './random-vectors.ts';
import { Scanner } from './scanner.ts';
import { SpaceRows } from './space-rows.ts';

const scanner = await Scanner.start({ workers: 2 });
afterAll(() => scanner.close());

const whole = (length: number): Square => ({ leftFrom: 0, leftTo: length, rightFrom: 0, rightTo: length });
const byPair = (pairs: readonly (readonly [number, number])[]) => pairs.map((pair) => pair.join('-')).sort();

/** Vectors in clusters that are tighter and tighter, so that scores lie on both sides of any threshold. */
function clustered(count: number, dimension: number, random: () => number): Float32Array[] {
  const vectors: Float32Array[] = [];
  while (vectors.length < count) {
    const like = vectors[Math.floor(random() * vectors.length)];
    const spread = random() * 0.5 / Math.sqrt(dimension);
    vectors.push(like && random() < 0.6 ? normalised(like.map((value) => value + spread * gaussian(random))) : unitVector(dimension, random));
  }
  return vectors;
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

it.each([
  [1, 16, 0.5, 11],
  [3, 16, 0.99, 12],
  [16, 16, 0.9, 13],
  [100, 16, 0.95, 14],
  [100, 112, 0.6, 15],
  [384, 64, 0.95, 16],
  [1000, 512, 0.8, 17],
])('finds what a loop over all pairs finds: %d dimensions, prefix %d, threshold %d, seed %d', async (dimension, prefix, threshold, seed) => {
  const random = seededRandom(seed);
  const rows = new SpaceRows(scanner.arena, new FloatVectors(dimension));
  const vectors = clustered(701, dimension, random);
  for (const vector of vectors) {
    rows.open();
    rows.add(0, 1, vector);
  }
  const list = Uint32Array.from(vectors.keys()).filter((row) => row % 10 !== 3).reverse();
  const expected: [number, number][] = [];
  for (let left = 0; left < list.length; left++) {
    for (let right = left + 1; right < list.length; right++) if (product(vectors[list[left]], vectors[list[right]]) >= threshold) expected.push([left, right]);
  }
  expect(expected.length, `seed ${seed}`).toBeGreaterThan(5);

  const search = await PairSearch.ofRows(scanner, { rows, list, prefix }, threshold);
  const found: [number, number][] = [];
  const keep = (left: number, right: number) => product(vectors[list[left]], vectors[list[right]]) >= threshold && found.push([left, right]);
  await search.find([whole(list.length)], keep);
  expect(byPair(found), `seed ${seed}`).toEqual(byPair(expected));

  // The same in squares whose ends are multiples of nothing.
  found.length = 0;
  const ends = [0, 97, 98, 333, list.length];
  const squares = ends.slice(1).flatMap((leftTo, a) => ends.slice(a + 1).map((rightTo, b) => ({ leftFrom: ends[a], leftTo, rightFrom: ends[a + b], rightTo })));
  await search.find(squares, keep);
  expect(byPair(found), `seed ${seed}`).toEqual(byPair(expected));
  search.close();
  rows.free();
});

it('finds the pair whose score is the threshold itself, whatever quantising lost of it', async () => {
  const seed = 41;
  const dimension = 100;
  const rows = new SpaceRows(scanner.arena, new FloatVectors(dimension));
  const vectors = clustered(300, dimension, seededRandom(seed));
  for (const vector of vectors) {
    rows.open();
    rows.add(0, 1, vector);
  }
  const list = Uint32Array.from(vectors.keys());
  const scored = vectors.flatMap((vector, left) => vectors.slice(left + 1).map((other, at) => ({ left, right: left + 1 + at, score: product(vector, other) }))).filter(({ score }) => score > 0.7);
  expect(scored.length, `seed ${seed}`).toBeGreaterThan(100);
  for (const { left, right, score } of scored.slice(0, 60)) {
    for (const prefix of [16, 112]) {
      const search = await PairSearch.ofRows(scanner, { rows, list, prefix }, score);
      const found = new Set<string>();
      await search.find([whole(list.length)], (a, b) => found.add(`${a} ${b}`));
      search.close();
      expect(found.has(`${left} ${right}`), `seed ${seed}, prefix ${prefix}`).toBe(true);
    }
  }
  rows.free();
});

it('finds more pairs than a job has room for', async () => {
  const rows = new SpaceRows(scanner.arena, new FloatVectors(5));
  const count = 1030;
  for (let row = 0; row < count; row++) {
    rows.open();
    rows.add(0, 1, Float32Array.of(0, 1, 0, 0, 0));
  }
  const search = await PairSearch.ofRows(scanner, { rows, list: Uint32Array.from({ length: count }, (_, row) => row), prefix: 16 }, 0.999);
  const found = new Set<number>();
  await search.find([whole(count)], (left, right) => found.add(left * count + right));
  expect(found.size).toBe((count * (count - 1)) / 2);
  search.close();
  rows.free();
});

it('finds all hashes that differ in few bits', async () => {
  const seed = 21;
  const random = seededRandom(seed);
  const hashes = Array.from({ length: 1500 }, () => Uint8Array.from({ length: 32 }, () => random() * 256));
  for (let index = 0; index < 400; index++) {
    const copy = hashes[Math.floor(random() * 1000)].slice();
    for (let flips = Math.floor(random() * 50); flips > 0; flips--) copy[Math.floor(random() * 32)] ^= 1 << Math.floor(random() * 8);
    hashes[1000 + index] = copy;
  }
  const bitsOf = Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);
  const distance = (a: Uint8Array, b: Uint8Array) => a.reduce((sum, byte, at) => sum + bitsOf[byte ^ b[at]], 0);
  const expected: [number, number][] = [];
  for (let left = 0; left < 1500; left++) for (let right = left + 1; right < 1500; right++) if (distance(hashes[left], hashes[right]) <= 31) expected.push([left, right]);
  expect(expected.length, `seed ${seed}`).toBeGreaterThan(200);
  const search = PairSearch.ofHashes(scanner, Uint8Array.from(hashes.flatMap((hash) => [...hash])), 31);
  const found: [number, number][] = [];
  await search.find([whole(1500)], (left, right) => found.push([left, right]));
  expect(byPair(found)).toEqual(byPair(expected));
  search.close();
});

it('stops between two jobs when it is cancelled, and gives its memory back', async () => {
  const before = scanner.arena.usedBytes;
  const rows = new SpaceRows(scanner.arena, new FloatVectors(16));
  const random = seededRandom(5);
  for (let row = 0; row < 100; row++) {
    rows.open();
    rows.add(0, 1, unitVector(16, random));
  }
  const search = await PairSearch.ofRows(scanner, { rows, list: Uint32Array.from({ length: 100 }, (_, row) => row), prefix: 16 }, 0.9);
  const controller = new AbortController();
  let given = 0;
  function* squares() {
    for (; ; given++) {
      if (given === 20) controller.abort(new Error('enough'));
      yield whole(100);
    }
  }
  await expect(search.find(squares(), () => undefined, { signal: controller.signal })).rejects.toThrow('enough');
  expect(given).toBeLessThan(30);
  search.close();
  rows.free();
  expect(scanner.arena.usedBytes).toBe(before);
});

it('pairs the parts of a collection as it was, without those that were deleted or replaced meanwhile', async () => {
  const seed = 31;
  const random = seededRandom(seed);
  const before = scanner.arena.usedBytes;
  const index = new CollectionIndex(scanner, new Map([['image', { dimension: 32 }]]));
  const vectors = clustered(600, 32, random);
  const idOf = (item: number) => `i${(item * 7919) % 300}`;
  for (let item = 0; item < 300; item++) {
    const parts = [0, 1].map((part) => ({ space: 'image', kinds: [part === 0 || item % 3 > 0 ? ('image' as const) : ('note' as const)], part, vector: vectors[2 * item + part] }));
    index.upsert({ id: idOf(item), fields: {}, parts });
  }
  const threshold = 0.9;
  const pairs = index.pairs('image', 'image', threshold);
  expect(pairs.length).toBe(500);
  const dead = new Set(Array.from({ length: 100 }, (_, item) => idOf(item)));
  for (const id of [...dead].slice(0, 90)) index.delete(id);
  for (const id of [...dead].slice(90)) index.upsert({ id, fields: {}, parts: [{ space: 'image', kinds: ['image'], part: 0, vector: vectors[0] }] });
  index.upsert({ id: 'new', fields: {}, parts: [{ space: 'image', kinds: ['image'], part: 0, vector: vectors[599] }] });

  const expected: string[] = [];
  const isImage = (row: number) => row % 2 === 0 || Math.floor(row / 2) % 3 > 0;
  for (let left = 0; left < 600; left++) {
    for (let right = left + 1; right < 600; right++) {
      const [a, b] = [idOf(Math.floor(left / 2)), idOf(Math.floor(right / 2))];
      if (a === b || dead.has(a) || dead.has(b) || !isImage(left) || !isImage(right) || product(vectors[left], vectors[right]) < threshold) continue;
      expected.push([`${a} ${left % 2}`, `${b} ${right % 2}`].sort().join(' | '));
    }
  }
  const found: PartPair[] = [];
  const blocks = ['i0', 'i13', 'i2', 'i299'];
  for (const block of blocks.keys()) await pairs.find(blocks, block, (pair) => found.push(pair));
  expect(found.map(({ a, b }) => [`${a.id} ${a.part}`, `${b.id} ${b.part}`].sort().join(' | ')).sort(), `seed ${seed}`).toEqual(expected.sort());
  expect(found.every(({ a, b, score }) => a.id < b.id && score >= threshold)).toBe(true);

  // The mean of the two most similar of the whole collection that are no duplicates themselves.
  const background = pairs.background({ size: 1000, neighbours: 2, hash: (id) => Number(id.slice(1)) });
  const { a } = found[0];
  const own = vectors.findIndex((_, row) => idOf(Math.floor(row / 2)) === a.id && row % 2 === a.part);
  const others = vectors.flatMap((vector, row) => (isImage(row) && idOf(Math.floor(row / 2)) !== a.id && !dead.has(idOf(Math.floor(row / 2))) ? [product(vector, vectors[own])] : []));
  const best = others.filter((score) => score < threshold).sort((x, y) => y - x);
  expect(await background.bias(a.position)).toBeCloseTo((best[0] + best[1]) / 2, 12);
  pairs.close();
  index.close();
  await expect.poll(() => scanner.arena.usedBytes).toBe(before);
});

it('reads 16 or 32 values where the first carry most, and more where all carry the same', () => {
  const random = seededRandom(9);
  const falling = Array.from({ length: 96 }, () => normalised(Float32Array.from({ length: 256 }, (_, index) => (index + 1) ** -0.5 * gaussian(random))));
  const even = Array.from({ length: 96 }, () => unitVector(384, random));
  expect(pairPrefix({ sample: falling, threshold: 0.95 })).toBeLessThanOrEqual(32);
  expect(pairPrefix({ sample: even, threshold: 0.95 })).toBeGreaterThan(32);
  expect(pairPrefix({ sample: [], threshold: 0.95 })).toBe(16);
});
