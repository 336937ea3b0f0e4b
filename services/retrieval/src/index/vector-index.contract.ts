import { seededRandom } from '@touchstone/runtime/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gaussian, normalised } from './random-vectors.ts';
import type { AttributeValue, Filter, IndexedItem, IndexQuery, VectorIndex } from './vector-index.ts';

export interface Subject {
  readonly index: VectorIndex;
  /** Many items at once, as a log brings them. */
  load(items: readonly IndexedItem[]): Promise<void>;
  /** Waits until whatever is built in the background is built, so that it is tested. */
  settle(): Promise<void>;
  /** The index as it is after a restart: from its own storage, or from what was written. */
  restart(): Promise<Subject>;
  close(): Promise<void>;
}

export interface ContractOptions {
  /** Share of the true best that a search under a filter must find. */
  readonly recall: number;
  /** Items of the test of recall, and random operations of the others. */
  readonly items: number;
  readonly operations: number;
}

const dimension = 32;
const spaces = new Map([['text', { dimension }]]);
const selectivities = [1, 2, 10, 100, 1000];

/** What every vector index does, whatever it is made of. */
export function vectorIndexContract(name: string, open: (spaces: ReadonlyMap<string, { dimension: number }>) => Promise<Subject>, { recall, items, operations }: ContractOptions): void {
  const seed = Number(process.env.TOUCHSTONE_SEED ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  const vector = () => normalised(Float32Array.from({ length: dimension }, () => gaussian(random)));
  const textOf = (id: string, own: Float32Array, fields: IndexedItem['fields'] = {}): IndexedItem => ({ id, fields, parts: [{ space: 'text', kinds: ['text', 'note'], part: 0, vector: own }] });
  const ids = async (index: VectorIndex, query: Partial<IndexQuery> & Pick<IndexQuery, 'vector'>) =>
    (await index.search({ space: 'text', limit: 10, ...query })).hits.map(({ id }) => id);

  describe(`${name}, seed ${seed}`, () => {
    describe('with many items', () => {
      let subject: Subject;
      // Clusters, so that a graph has to find its way; what is filtered by has nothing to do with them.
      const centres = Array.from({ length: 50 }, vector);
      const clustered = () => {
        const centre = centres[Math.floor(random() * centres.length)];
        return normalised(centre.map((value) => value + (0.6 / Math.sqrt(dimension)) * gaussian(random)));
      };
      const stored = Array.from({ length: items }, (_, number) => {
        const order = (number * 7919) % items;
        const fields = Object.fromEntries(selectivities.map((share) => [`of${share}`, order % share]));
        return textOf(`i${number}`, clustered(), { ...fields, author: `author ${order % 40}` });
      });
      const best = (query: Float32Array, share: number, limit: number, dimensions = dimension) =>
        stored
          .filter(({ fields }) => fields[`of${share}`] === 0)
          .map(({ id, parts }) => ({ id, score: cosine(query, parts[0].vector, dimensions) }))
          .sort((a, b) => b.score - a.score)
          .slice(0, limit);

      beforeAll(async () => {
        subject = await open(spaces);
        await subject.load(stored);
        await subject.settle();
      });
      afterAll(() => subject?.close());

      it.each(selectivities)('finds the best of one in %d, and as many as there are', async (share) => {
        const found: number[] = [];
        for (let round = 0; round < Math.max(10, operations / 4); round++) {
          const query = clustered();
          const limit = round % 2 ? 10 : 25;
          const expected = best(query, share, limit);
          const { hits } = await subject.index.search({ space: 'text', vector: query, limit, filter: { field: `of${share}`, in: [0] } });
          expect(hits).toHaveLength(expected.length);
          // By score: of two equal ones either may be there.
          found.push(hits.filter(({ score }) => score >= expected.at(-1)!.score - 1e-5).length / expected.length);
        }
        expect(mean(found)).toBeGreaterThanOrEqual(recall);
      });

      it.each([24, 16, 8])('finds the best by the first %d numbers, re-normalised', async (dimensions) => {
        const found: number[] = [];
        for (let round = 0; round < Math.max(10, operations / 4); round++) {
          const query = clustered();
          const [limit, share] = round % 2 ? [10, 1] : [25, 2];
          const expected = best(query, share, limit, dimensions);
          const { hits } = await subject.index.search({ space: 'text', vector: query, dimensions, limit, filter: share === 1 ? undefined : { field: `of${share}`, in: [0] } });
          expect(hits).toHaveLength(limit);
          for (const { id, score } of hits) expect(score).toBeCloseTo(cosine(query, stored[Number(id.slice(1))].parts[0].vector, dimensions), 5);
          found.push(hits.filter(({ score }) => score >= expected.at(-1)!.score - 1e-5).length / limit);
        }
        expect(mean(found)).toBeGreaterThanOrEqual(recall);
      });

      it('pages by a prefix, and leaves out what scores too little in it', async () => {
        const query = clustered();
        const expected = best(query, 1, 60, 16);
        const paged: { id: string; score: number }[] = [];
        let after: IndexQuery['after'];
        for (let page = 0; page < 3; page++) {
          const { hits } = await subject.index.search({ space: 'text', vector: query, dimensions: 16, limit: 20, after });
          paged.push(...hits);
          after = { ...hits.at(-1)!, kind: hits.at(-1)!.kinds[0] };
        }
        expect(new Set(paged.map(({ id }) => id)).size).toBe(60);
        expect(paged.filter(({ score }) => score >= expected.at(-1)!.score - 1e-5).length / 60).toBeGreaterThanOrEqual(recall);
        const { hits } = await subject.index.search({ space: 'text', vector: query, dimensions: 16, limit: 100, minScore: expected[30].score + 1e-6 });
        expect(hits.length).toBeLessThanOrEqual(30);
        expect(hits.length / 30).toBeGreaterThanOrEqual(recall);
      });

      it('fills groups whose best are few among many', async () => {
        const query = clustered();
        const { hits } = await subject.index.search({ space: 'text', vector: query, limit: 40, groupBy: { field: 'author' } });
        expect(new Set(hits.map(({ group }) => group)).size).toBe(40);
        const ranked = best(query, 1, items).map(({ id }) => stored[Number(id.slice(1))].fields.author);
        expect(hits.map(({ group }) => group)).toEqual([...new Set(ranked)]);
      });

      it('pages through the best without a gap and without a repetition', async () => {
        const query = clustered();
        const paged: string[] = [];
        let after: IndexQuery['after'];
        for (let page = 0; page < 5; page++) {
          const { hits } = await subject.index.search({ space: 'text', vector: query, limit: 20, after });
          paged.push(...hits.map(({ id }) => id));
          after = { ...hits.at(-1)!, kind: hits.at(-1)!.kinds[0] };
        }
        expect(new Set(paged).size).toBe(100);
        const threshold = best(query, 1, 100).at(-1)!.score - 1e-5;
        const right = paged.filter((id) => product(query, stored[Number(id.slice(1))].parts[0].vector) >= threshold);
        expect(right.length / 100).toBeGreaterThanOrEqual(recall);
      });
    });

    describe('with few items', () => {
      let subject: Subject;
      beforeAll(async () => void (subject = await open(spaces)));
      afterAll(() => subject?.close());

      it('finds each write in the next search, and no deleted item', async () => {
        const { index } = subject;
        for (let round = 0; round < operations / 4; round++) {
          const [mine, changed] = [vector(), vector()];
          await index.upsert(textOf(`own ${round}`, mine));
          expect((await ids(index, { vector: mine, limit: 1 }))[0]).toBe(`own ${round}`);
          await index.upsert(textOf(`own ${round}`, changed));
          expect((await ids(index, { vector: changed, limit: 1 }))[0]).toBe(`own ${round}`);
          expect(await index.delete(`own ${round}`)).toBe(true);
          expect(await index.delete(`own ${round}`)).toBe(false);
          expect(await ids(index, { vector: changed, limit: 50 })).not.toContain(`own ${round}`);
          expect(await index.has(`own ${round}`)).toBe(false);
        }
      });

      it('has one hit for an item however often it was written, the newest', async () => {
        const { index } = subject;
        const mine = Array.from({ length: Math.min(20, operations) }, vector);
        for (const [version, own] of mine.entries()) await index.upsert(textOf('often', own, { version }));
        const versions = { field: 'version', exists: true };
        const { hits } = await index.search({ space: 'text', vector: mine[0], limit: 10, filter: versions, groupBy: 'part' });
        expect(hits).toHaveLength(1);
        expect(hits[0].score).toBeCloseTo(product(mine[0], mine.at(-1)!), 4);
        expect(await index.vectors('often', 'text')).toEqual([mine.at(-1)!]);
        expect(await ids(index, { vector: mine[0], filter: { field: 'version', in: [0] } })).toEqual([]);
        await index.delete('often');
      });

      it('keeps what writers write at the same time', async () => {
        const { index } = subject;
        const own = Array.from({ length: 12 }, vector);
        await Promise.all(own.flatMap((mine, number) => [index.upsert(textOf(`w${number}`, vector())), index.upsert(textOf('shared', mine)), index.upsert(textOf(`w${number}`, mine))]));
        for (const [number, mine] of own.entries()) {
          const { hits } = await index.search({ space: 'text', vector: mine, limit: 2, filter: { not: { field: 'none', exists: true } }, exclude: ['shared'] });
          expect(hits[0]).toMatchObject({ id: `w${number}` });
        }
        expect((await ids(index, { vector: own[0], limit: 100, groupBy: 'part' })).filter((id) => id === 'shared')).toHaveLength(1);
        for (const number of own.keys()) await index.delete(`w${number}`);
        await index.delete('shared');
      });

      it('tells parts and kinds apart, and gives their vectors back', async () => {
        const { index } = subject;
        const [note, picture, second, ocr] = [vector(), vector(), vector(), vector()];
        const parts = [
          { space: 'text', kinds: ['text', 'note'] as const, part: 0, vector: note },
          { space: 'text', kinds: ['image'] as const, part: 0, vector: picture },
          { space: 'text', kinds: ['image'] as const, part: 1, vector: second },
          { space: 'text', kinds: ['ocr'] as const, part: 1, vector: ocr },
        ];
        await index.upsert({ id: 'parted', fields: {}, parts });
        await index.upsert(textOf('other', vector()));
        for (const each of parts) {
          const { hits } = await index.search({ space: 'text', vector: each.vector, limit: 1, kinds: [each.kinds[0]] });
          expect(hits[0]).toMatchObject({ id: 'parted', part: each.part, kinds: [...each.kinds] });
        }
        expect(await index.vectors('parted', 'text')).toEqual(parts.map((each) => each.vector));
        expect(await index.vectors('parted', 'text', 'image')).toEqual([picture, second]);
        expect(await index.vectors('parted', 'text', 'note')).toEqual([note]);
        expect(await index.vectors('nobody', 'text')).toEqual([]);
        const { hits, examined } = await index.search({ space: 'text', vector: ocr, limit: 10, groupBy: 'part' });
        expect(hits).toHaveLength(5);
        expect(examined).toBe(5);
        expect((await index.search({ space: 'text', vector: ocr, limit: 10, kinds: ['image'] })).examined).toBe(2);
        expect(await ids(index, { vector: ocr, kinds: ['image'] })).toEqual(['parted']);
        expect(await ids(index, { vector: ocr, exclude: ['parted'] })).toEqual(['other']);
        expect(await ids(index, { vector: ocr, minScore: 0.999 })).toEqual(['parted']);
        for (const id of ['parted', 'other']) await index.delete(id);
      });

      it('shows one of a duplicate cluster', async () => {
        const { index } = subject;
        const own = vector();
        await index.upsert(textOf('keeper', vector()));
        await index.upsert({ ...textOf('copy', own), keeper: 'keeper' });
        await index.upsert({ ...textOf('copy 2', own), keeper: 'keeper' });
        await index.upsert(textOf('alone', vector()));
        expect(await ids(index, { vector: own, groupBy: 'duplicateCluster' })).toEqual(['copy', 'alone']);
        for (const id of ['keeper', 'copy', 'copy 2', 'alone']) await index.delete(id);
      });

      it('takes and drops a space while it is in use', async () => {
        const { index } = subject;
        const [own, second] = [vector(), Float32Array.of(0, 1, 0)];
        await index.upsert(textOf('earlier', own));
        await index.addSpace('small', 3);
        expect((await index.search({ space: 'small', vector: second, limit: 5 })).hits).toEqual([]);
        await index.upsert({ id: 'both', fields: {}, parts: [{ space: 'text', kinds: ['note'], part: 0, vector: own }, { space: 'small', kinds: ['note'], part: 0, vector: second }] });
        expect((await index.search({ space: 'small', vector: second, limit: 5 })).hits).toMatchObject([{ id: 'both' }]);
        await index.dropSpace('small');
        await expect((async () => index.search({ space: 'small', vector: second, limit: 5 }))()).rejects.toThrow(RangeError);
        expect((await ids(index, { vector: own })).sort()).toEqual(['both', 'earlier']);
        for (const id of ['earlier', 'both']) await index.delete(id);
      });

      it('filters as the words of the filter say, whatever is in the strings', async () => {
        const { index } = subject;
        const hostile = ['a"b', 'a\\', '\\"', '"] || true || fields["x"] in ["', "it's", '{{x}}', '%', '_', 'ä\u0000\n\t\u2028🙂', ''];
        const values: AttributeValue[] = [...hostile, 0, 1, -1.5, 1e21, true, false, 'true', '1'];
        const names = ['plain', 'with space', 'a"b', 'a/b', 'a~0b', 'ä', '$x', "'] == 1 || id in ['"];
        const pick = <Value>(list: readonly Value[]) => list[Math.floor(random() * list.length)];
        const population = Array.from({ length: 60 }, (_, number) => {
          const fields = Object.fromEntries(names.filter(() => random() < 0.5).map((field) => [field, random() < 0.3 ? Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(hostile)) : pick(values)]));
          return textOf(`f${number}`, vector(), fields);
        });
        await subject.load(population);
        const tree = (depth: number): Filter => {
          const branch = depth > 0 ? random() : 1;
          if (branch < 0.2) return { all: Array.from({ length: Math.floor(random() * 3) }, () => tree(depth - 1)) };
          if (branch < 0.4) return { any: Array.from({ length: Math.floor(random() * 3) }, () => tree(depth - 1)) };
          if (branch < 0.6) return { not: tree(depth - 1) };
          const field = pick(names);
          const leaf = random();
          if (leaf < 0.2) return { field, exists: random() < 0.5 };
          if (leaf < 0.4) return { field, range: { [pick(['gt', 'gte', 'lt', 'lte'])]: pick([0, 1, -1.5, 1e21]), ...(random() < 0.3 ? { lte: 5 } : {}) } };
          return { field, in: Array.from({ length: Math.floor(random() * 4) }, () => pick(values)) };
        };
        const query = vector();
        for (let round = 0; round < operations; round++) {
          const filter = tree(3);
          const expected = population.filter(({ fields }) => matches(filter, fields)).map(({ id }) => id);
          const { hits, examined } = await index.search({ space: 'text', vector: query, limit: 100, filter });
          expect(hits.map(({ id }) => id).sort(), JSON.stringify(filter)).toEqual(expected.sort());
          expect(examined).toBe(expected.length);
        }
        const facets = await index.facets(names, { field: 'plain', exists: true });
        for (const field of names) {
          const counts = new Map<AttributeValue, number>();
          for (const { fields } of population.filter((item) => 'plain' in item.fields)) {
            for (const value of new Set([fields[field] ?? []].flat() as AttributeValue[])) counts.set(value, (counts.get(value) ?? 0) + 1);
          }
          expect(new Map(facets.get(field)!.map(({ value, count }) => [value, count])), field).toEqual(counts);
        }
        for (const field of names) expect(await index.known(field)).toBe(population.some(({ fields }) => field in fields));
        expect(await index.known('nowhere')).toBe(false);
        expect(index.size).toBe(population.length);
        for (const { id } of population.slice(0, 3)) await index.delete(id);
        expect(index.size).toBe(population.length - 3);
      });

      it('refuses what is wrong, and the old item stays', async () => {
        const { index } = subject;
        const own = vector();
        await index.upsert(textOf('right', own, { mine: 1 }));
        const refused = [
          new Float32Array(dimension - 1),
          new Float32Array(dimension),
          Float32Array.from({ length: dimension }, (_, at) => (at === 3 ? NaN : 1)),
          Float32Array.from({ length: dimension }, (_, at) => (at === 3 ? Infinity : 1)),
        ];
        for (const wrong of refused) {
          await expect((async () => index.upsert(textOf('right', wrong)))()).rejects.toThrow(RangeError);
          await expect((async () => index.search({ space: 'text', vector: wrong, limit: 1 }))()).rejects.toThrow(RangeError);
        }
        await expect((async () => index.search({ space: 'nowhere', vector: own, limit: 1 }))()).rejects.toThrow(RangeError);
        await expect((async () => index.search({ space: 'text', vector: own, limit: 0 }))()).rejects.toThrow(RangeError);
        for (const dimensions of [0, 1.5, dimension + 1]) await expect((async () => index.search({ space: 'text', vector: own, limit: 1, dimensions }))()).rejects.toThrow(RangeError);
        const atTheEnd = Float32Array.from({ length: dimension }, (_, at) => (at === dimension - 1 ? 1 : 0));
        await expect((async () => index.search({ space: 'text', vector: atTheEnd, limit: 1, dimensions: 4 }))()).rejects.toThrow(RangeError);
        await index.upsert(textOf('at the end', atTheEnd, { mine: 1 }));
        expect(await ids(index, { vector: own, dimensions: 4, filter: { field: 'mine', in: [1] } })).toEqual(['right']); // the other has no direction there
        await index.delete('at the end');
        await expect((async () => index.upsert({ id: 'right', fields: {}, parts: [{ space: 'text', kinds: ['note'], part: 0, vector: own }, { space: 'text', kinds: ['text', 'note'], part: 0, vector: own }] }))()).rejects.toThrow(RangeError);
        expect(await ids(index, { vector: own, limit: 1, filter: { field: 'mine', in: [1] } })).toEqual(['right']);
      });

      it('is after a restart what it was before', async () => {
        const own = vector();
        await subject.index.upsert(textOf('before', own, { era: 'old' }));
        await subject.index.upsert(textOf('gone', own));
        await subject.index.delete('gone');
        const before = await subject.index.search({ space: 'text', vector: own, limit: 20 });
        subject = await subject.restart();
        const after = await subject.index.search({ space: 'text', vector: own, limit: 20 });
        expect(after.hits).toEqual(before.hits);
        expect(subject.index.size).toBe(before.examined);
        await subject.index.upsert(textOf('after', own));
        expect(await ids(subject.index, { vector: own, limit: 2 })).toEqual(['after', 'before']);
      });
    });
  });
}

function matches(filter: Filter, fields: IndexedItem['fields']): boolean {
  if ('all' in filter) return filter.all.every((each) => matches(each, fields));
  if ('any' in filter) return filter.any.some((each) => matches(each, fields));
  if ('not' in filter) return !matches(filter.not, fields);
  const values = [fields[filter.field] ?? []].flat() as AttributeValue[];
  if ('in' in filter) return values.some((value) => filter.in.includes(value));
  if ('exists' in filter) return values.length > 0 === filter.exists;
  const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = filter.range;
  return values.some((value) => typeof value === 'number' && value > gt && value >= gte && value < lt && value <= lte);
}

function product(a: Float32Array, b: Float32Array, length = a.length): number {
  let sum = 0;
  for (let index = 0; index < length; index++) sum += a[index] * b[index];
  return sum;
}

const cosine = (a: Float32Array, b: Float32Array, length: number): number => product(a, b, length) / Math.sqrt(product(a, a, length) * product(b, b, length));

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
