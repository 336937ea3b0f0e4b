import { seededRandom } from '@touchstone/runtime/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filledIndex, textItem as item } from './filled-index.ts';
import { Scanner } from './scanner.ts';
import { gaussian, normalised, unitVector } from './random-vectors.ts';
import type { IndexedItem } from './vector-index.ts';

let scanner: Scanner;
beforeAll(async () => void (scanner = await Scanner.start({ workers: 2 })));
afterAll(() => scanner.close());

const filled = (dimension: number, items: readonly IndexedItem[], by = scanner) => filledIndex(by, dimension, items);

it('finds each item once, by its best part, and as many as are asked for', async () => {
  const random = seededRandom(2);
  const base = unitVector(24, random);
  // Every part of the first item is nearer than anything of the others.
  const near = (): Float32Array => normalised(base.map((value) => value + 1e-3 * gaussian(random)));
  const parts = (id: string, vectors: Float32Array[]): IndexedItem => ({ id, fields: {}, parts: vectors.map((vector, part) => ({ space: 'text', kinds: ['text'], part, vector })) });
  const items = [parts('many', Array.from({ length: 500 }, near)), ...Array.from({ length: 30 }, (_, at) => parts(`other-${at}`, [unitVector(24, random), unitVector(24, random)]))];
  const { index, plain } = filled(24, items);
  const query = { space: 'text', vector: base, limit: 10 };
  const { hits } = await index.search(query);
  expect(hits).toHaveLength(10);
  expect(hits).toEqual(plain.search(query).hits);
  expect((await index.search({ ...query, exclude: ['many'] })).hits).toEqual(plain.search({ ...query, exclude: ['many'] }).hits);
  index.close();
});

it('leaves out the items that ask and what scores too little', async () => {
  const random = seededRandom(13);
  const { index, plain } = filled(16, Array.from({ length: 3000 }, (_, at) => item(`item-${at}`, unitVector(16, random))));
  const query = { space: 'text', vector: unitVector(16, random), limit: 20 };
  const exclude = plain.search({ ...query, limit: 200 }).hits.map(({ id }) => id);
  expect((await index.search({ ...query, exclude })).hits).toEqual(plain.search({ ...query, exclude }).hits);
  const { score: minScore } = plain.search(query).hits[4];
  expect((await index.search({ ...query, minScore })).hits).toHaveLength(5);
  expect((await index.search({ ...query, minScore, limit: 3 })).hits).toEqual(plain.search({ ...query, limit: 3 }).hits);
  expect((await index.search({ ...query, minScore: 1.1 })).hits).toEqual([]);
  index.close();
});

it('leaves one hit after many upserts of one id', async () => {
  const random = seededRandom(4);
  const { index } = filled(16, []);
  for (let round = 0; round < 1000; round++) index.upsert(item('same', unitVector(16, random), { round }));
  const last = unitVector(16, random);
  index.upsert(item('same', last, { round: 'last' }));
  const query = { space: 'text', vector: last, limit: 10 };
  expect(await index.search(query)).toMatchObject({ hits: [{ id: 'same' }], examined: 1 });
  expect((await index.search({ ...query, filter: { field: 'round', in: [999] } })).hits).toEqual([]);
  expect(index.size).toBe(1);
  index.close();
});

it('never returns what was deleted, also when a search was under way', async () => {
  const random = seededRandom(6);
  const { index, plain } = filled(16, Array.from({ length: 400 }, (_, at) => item(`item-${at}`, unitVector(16, random))));
  const query = { space: 'text', vector: unitVector(16, random), limit: 5 };
  while (index.size > 0) {
    const [best] = plain.search(query).hits;
    const under = index.search(query);
    expect(index.delete(best.id)).toBe(true);
    plain.delete(best.id);
    const expected = plain.search(query).hits;
    expect((await under).hits).toEqual(expected);
    expect((await index.search(query)).hits).toEqual(expected);
  }
  expect(index.delete('item-0')).toBe(false);
  index.close();
});

it('compacts under searches and gives the memory back', async () => {
  const random = seededRandom(8);
  const before = scanner.arena.usedBytes;
  const { index, plain } = filled(512, Array.from({ length: 2000 }, (_, at) => item(`item-${at}`, unitVector(512, random), { tenth: at % 10 })));
  const full = scanner.arena.usedBytes - before;
  const query = { space: 'text', vector: unitVector(512, random), limit: 10, filter: { field: 'tenth', in: [1, 2, 3] } };
  const searches = [];
  for (let at = 0; at < 1800; at++) {
    if (at % 300 === 0) searches.push(index.search(query));
    index.delete(`item-${at}`);
    plain.delete(`item-${at}`);
  }
  const expected = plain.search(query);
  for (const search of searches) expect((await search).hits).toEqual(expected.hits);
  expect(await index.search(query)).toEqual({ ...expected, route: 'exact' });
  expect(scanner.arena.usedBytes - before).toBeLessThan(full / 5);
  expect(index.vectors('item-1999', 'text')).toEqual(plain.items.get('item-1999')!.parts.map(({ vector }) => vector));
  index.close();
  expect(scanner.arena.usedBytes).toBe(before);
});

it('compacts a large collection in slices, between which it is written and searched', { timeout: 60_000 }, async () => {
  const seed = 14;
  const random = seededRandom(seed);
  const pick = (count: number) => Math.floor(random() * count);
  const before = scanner.arena.usedBytes;
  let next = 0;
  const draw = (id = `item-${next++}`) => item(id, unitVector(8, random), { third: pick(3) });
  const { index, plain } = filled(8, Array.from({ length: 9000 }, () => draw()));
  const remove = (id: string) => expect(index.delete(id)).toBe(plain.delete(id));
  const add = (each: IndexedItem) => {
    index.upsert(each);
    plain.upsert(each);
  };
  for (let round = 0; round < 4; round++) {
    const ids = [...plain.items.keys()];
    // The last of these deletions begins a compaction, which the writes below go on with.
    for (const id of ids.toSorted(() => random() - 0.5).slice(0, Math.floor(ids.length / 5))) remove(id);
    for (let write = 0; write < 12; write++) {
      const known = [...plain.items.keys()];
      const ids = [known[pick(50)], known[pick(known.length)], known[known.length - 1 - pick(50)]];
      const under = index.search({ space: 'text', vector: unitVector(8, random), limit: 3 });
      if (write % 3 === 0) remove(ids[pick(3)]);
      else add(draw(write % 3 === 1 ? ids[pick(3)] : undefined));
      await under;
      const query = { space: 'text', vector: unitVector(8, random), limit: 20, filter: write % 2 ? { field: 'third', in: [1] } : undefined, dimensions: write > 5 ? 5 : undefined };
      expect(await index.search(query), `seed ${seed}, round ${round}, write ${write}`).toEqual({ ...plain.search(query), route: 'exact' });
      expect(index.facets(['third'])).toEqual(plain.facets(['third']));
    }
    for (let more = 0; more < 30; more++) add(draw()); // where float32 vectors were that are gone
    for (const id of plain.items.keys()) expect(index.vectors(id, 'text')).toEqual(plain.vectors(id, 'text'));
  }
  index.close();
  expect(scanner.arena.usedBytes).toBe(before);
});

it('holds hundreds of collections in one memory, and uses it again', async () => {
  const random = seededRandom(9);
  const before = scanner.arena.usedBytes;
  let size = 0;
  for (let round = 0; round < 2; round++) {
    const indexes = Array.from({ length: 300 }, (_, collection) => filled(32, Array.from({ length: 5 }, (_, at) => item(`${collection}-${at}`, unitVector(32, random)))));
    const query = { space: 'text', vector: unitVector(32, random), limit: 3 };
    const answers = await Promise.all(indexes.map(({ index }) => index.search(query)));
    answers.forEach(({ hits }, collection) => expect(hits).toEqual(indexes[collection].plain.search(query).hits));
    for (const { index } of indexes) index.close();
    expect(scanner.arena.usedBytes).toBe(before);
    const { byteLength } = scanner.arena.memory.buffer;
    if (round === 0) size = byteLength;
    else expect(byteLength).toBe(size);
  }
});

it('lets searches end that were under way when it closed', async () => {
  const random = seededRandom(10);
  const before = scanner.arena.usedBytes;
  const { index, plain } = filled(16, Array.from({ length: 50 }, (_, at) => item(`item-${at}`, unitVector(16, random))));
  const query = { space: 'text', vector: unitVector(16, random), limit: 5 };
  const under = index.search(query);
  index.close();
  expect((await under).hits).toEqual(plain.search(query).hits);
  expect(scanner.arena.usedBytes).toBe(before);
  await expect(index.search(query)).rejects.toThrow('closed');
  expect(() => index.upsert(item('late', query.vector))).toThrow('closed');
});

it('answers an empty collection, an item without vectors, and a filter that nothing matches', async () => {
  const { index } = filled(2, []);
  const query = { space: 'text', vector: Float32Array.of(1, 0), limit: 3 };
  expect(await index.search(query)).toEqual({ hits: [], examined: 0, route: 'exact' });
  index.upsert({ id: 'bare', fields: {}, parts: [] });
  expect(index.has('bare')).toBe(true);
  expect(index.vectors('bare', 'text')).toEqual([]);
  expect(await index.search({ ...query, filter: { field: 'colour', in: ['red'] } })).toEqual({ hits: [], examined: 0, route: 'exact' });
  index.close();
});

it('copies vectors in and out', () => {
  const { index } = filled(2, []);
  const vector = Float32Array.of(1, 0);
  index.upsert(item('one', vector));
  vector.fill(9);
  index.vectors('one', 'text')[0].fill(9);
  expect(index.vectors('one', 'text')).toEqual([Float32Array.of(1, 0)]);
  index.close();
});

describe('refuses', () => {
  const good = Float32Array.of(0, 1);
  it.each<[string, Float32Array, string]>([
    ['a wrong dimension', Float32Array.of(1), 'expected 2 numbers, got 1'],
    ['NaN', Float32Array.of(1, NaN), 'expected finite numbers, got NaN'],
    ['infinity', Float32Array.of(-Infinity, 1), 'expected finite numbers, got -Infinity'],
    ['zeros', Float32Array.of(0, -0), 'a vector of zeros has no direction'],
    ['a length beyond float32', Float32Array.of(3e38, 3e38), 'its length exceeds float32'],
  ])('%s, in items and queries', async (_, vector, words) => {
    const { index } = filled(2, [item('one', good)]);
    expect(() => index.upsert(item('one', vector))).toThrow(new RangeError(`Item one, space text, part 0: ${words}.`));
    await expect(index.search({ space: 'text', vector, limit: 1 })).rejects.toThrow(new RangeError(`Query, space text: ${words}.`));
    expect((await index.search({ space: 'text', vector: good, limit: 1 })).hits).toEqual([{ id: 'one', score: 1, kinds: ['text'], part: 0, group: 'one' }]);
    index.close();
  });

  it('unknown spaces, limits below 1, a part twice, odd dimensions', async () => {
    const { index } = filled(2, []);
    await expect(index.search({ space: 'image', vector: good, limit: 1 })).rejects.toThrow('Space image is not known; the collection has text.');
    await expect(index.search({ space: 'text', vector: good, limit: 1, minScore: Infinity })).rejects.toThrow('minScore: expected a finite number, got Infinity');
    await expect(index.search({ space: 'text', vector: good, limit: 1, kinds: [] })).rejects.toThrow('kinds: expected at least one of text, image, ocr, note, got none');
    await expect(index.search({ space: 'text', vector: good, limit: 1, filter: { field: 'a', range: {} } })).rejects.toThrow('range of a');
    await expect(index.search({ space: 'text', vector: good, limit: 1, dimensions: 3 })).rejects.toThrow('dimensions: expected an integer from 1 to 2, got 3');
    await expect(index.search({ space: 'text', vector: good, limit: 1, dimensions: 1 })).rejects.toThrow('Query, space text: its first 1 numbers are zeros');
    await expect(index.search({ space: 'text', vector: good, limit: 0 })).rejects.toThrow('limit: expected an integer of at least 1, got 0');
    const [row] = item('one', good).parts;
    expect(() => index.upsert({ id: 'one', fields: {}, parts: [row, { ...row, kinds: ['note', 'text'] }] })).toThrow('Item one: part 0 comes twice as text in space text.');
    expect(() => index.upsert({ id: 'one', fields: {}, parts: [{ ...row, part: -1 }] })).toThrow('expected a part from 0 to 4294967295, got -1');
    expect(() => filled(0, [])).toThrow('expected a dimension from 1 to 65504, got 0');
    expect(index.size).toBe(0);
    index.close();
  });
});
