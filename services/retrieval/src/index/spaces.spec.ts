import { seededRandom } from '@touchstone/runtime/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CollectionIndex } from './collection-index.ts';
import { unitVector } from './random-vectors.ts';
import { Scanner } from './scanner.ts';

let scanner: Scanner;
beforeAll(async () => void (scanner = await Scanner.start({ workers: 1 })));
afterAll(() => scanner.close());

const random = seededRandom(11);
const vectors = Array.from({ length: 500 }, () => ({ old: unitVector(16, random), next: unitVector(24, random) }));
const ids = vectors.map((_, index) => `item-${index}`);

function item(index: number, spaces: readonly ('old' | 'next')[]) {
  return { id: ids[index], fields: {}, parts: spaces.map((space) => ({ space, kinds: ['text'] as const, part: 0, vector: vectors[index][space] })) };
}

it('takes a space while it is in use, and gives its memory back when it is dropped', async () => {
  const before = scanner.arena.usedBytes;
  const index = new CollectionIndex(scanner, new Map([['old', { dimension: 16 }]]));
  ids.forEach((_, position) => index.upsert(item(position, ['old'])));
  const bytes = scanner.arena.usedBytes;

  index.addSpace('next', 24);
  expect((await index.search({ space: 'next', vector: vectors[3].next, limit: 5 })).hits).toEqual([]);
  ids.slice(0, 300).forEach((_, position) => index.upsert(item(position, ['old', 'next'])));
  const found = async (space: 'old' | 'next', position: number) => (await index.search({ space, vector: vectors[position][space], limit: 1 })).hits.map(({ id }) => id);
  expect(await found('next', 7)).toEqual([ids[7]]);
  expect(await found('old', 7)).toEqual([ids[7]]);
  expect(await found('old', 450)).toEqual([ids[450]]);
  expect((await index.search({ space: 'next', vector: vectors[0].next, limit: 1000 })).hits).toHaveLength(300);

  index.dropSpace('next');
  expect(scanner.arena.usedBytes).toBe(bytes);
  expect(await found('old', 7)).toEqual([ids[7]]);
  await expect(index.search({ space: 'next', vector: vectors[0].next, limit: 1 })).rejects.toThrow('next is not known');
  index.addSpace('next', 24); // not what was there
  expect((await index.search({ space: 'next', vector: vectors[0].next, limit: 1 })).hits).toEqual([]);
  index.close();
  expect(scanner.arena.usedBytes).toBe(before);
});

it('ends a search of a space that is dropped meanwhile: with the hits, or with an error that says so', async () => {
  const index = new CollectionIndex(scanner, new Map([['old', { dimension: 16 }], ['next', { dimension: 24 }]]));
  ids.forEach((_, position) => index.upsert(item(position, ['old', 'next'])));
  const running = index.search({ space: 'next', vector: vectors[9].next, limit: 1 }).then(({ hits }) => hits[0].id, (error: Error) => error.message);
  index.dropSpace('next');
  index.delete(ids[9]);
  expect(await running).toMatch(/next is not known/);
  index.close();
});

it('refuses a space twice, and to drop one that is not there', () => {
  const index = new CollectionIndex(scanner, new Map([['old', { dimension: 16 }]]));
  expect(() => index.addSpace('old', 16)).toThrow('is there already');
  expect(() => index.addSpace('next', 0)).toThrow('dimension');
  expect(() => index.dropSpace('next')).toThrow('not known');
  index.close();
});
