import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FilterSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dimension, firstDay, ids, type JointCollection, known, type Known, plainSearch, random, type Request, seed, startJointCollection, topics } from '../fixture/joint-collection.ts';

let joint: JointCollection;
beforeAll(async () => {
  joint = await startJointCollection();
});
afterAll(() => joint?.stop());

const search = (request: Request) => joint.search(request);

function filterOf(field: string, value: boolean): MessageInitShape<typeof FilterSchema> {
  return { field, equals: { kind: { case: 'boolValue', value } } };
}

describe('filters', () => {
  type Tree = [MessageInitShape<typeof FilterSchema>, (item: Known) => boolean];
  const text = (value: string) => ({ kind: { case: 'stringValue', value } }) as const;
  const number = (value: number) => ({ kind: { case: 'numberValue', value } }) as const;
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)];

  function leaf(): Tree {
    const category = `c${Math.floor(random() * 6)}`;
    const price = Math.floor(random() * 29);
    const day = firstDay + Math.floor(random() * 60) * 86_400_000;
    const tag = pick(['x', 'y', 'z', 'w']);
    return pick<Tree>([
      [{ field: 'category', equals: text(category) }, (item) => item.category === category],
      [{ field: 'author', in: { values: ['a1', 'a2', 'a30'].map(text) } }, (item) => ['a1', 'a2', 'a30'].includes(item.author)],
      [{ field: 'price', range: { gt: number(price), lte: number(price + 9) } }, ({ attributes }) => attributes.price > price && attributes.price <= price + 9],
      [{ field: 'tags', equals: text(tag) }, ({ attributes }) => attributes.tags.includes(tag)],
      [{ field: 'isNew', exists: price % 2 === 0 }, ({ attributes }) => (attributes.isNew !== undefined) === (price % 2 === 0)],
      [filterOf('isNew', false), ({ attributes }) => attributes.isNew === false],
      [{ field: 'createdAt', range: { gte: text(new Date(day).toISOString()) } }, ({ createdAt }) => createdAt >= day],
      [{ field: 'createdAt', in: { values: [text(new Date(day).toISOString())] } }, ({ createdAt }) => createdAt === day],
    ]);
  }

  function tree(depth: number): Tree {
    const join = depth > 0 ? pick(['all', 'any', 'not', 'leaf'] as const) : 'leaf';
    if (join === 'leaf') return leaf();
    const [inner, innerMatches] = tree(depth - 1);
    if (join === 'not') return [{ not: inner }, (item) => !innerMatches(item)];
    const [other, otherMatches] = tree(depth - 1);
    return join === 'all'
      ? [{ all: [inner, other] }, (item) => innerMatches(item) && otherMatches(item)]
      : [{ any: [inner, other] }, (item) => innerMatches(item) || otherMatches(item)];
  }

  it('leave exactly what a plain evaluation leaves', async () => {
    for (let round = 0; round < 120; round++) {
      const [filter, matches] = tree(3);
      const vector = [...pick(topics)];
      const { hits } = await search({ query: { vector }, filter, limit: 1000 });
      expect(ids(hits), `seed ${seed}, round ${round}: ${JSON.stringify(filter)}`).toEqual(ids(plainSearch({ vectors: [vector], matches })));
    }
  });

  it('count facets over all that match, beside the hits', async () => {
    const [filter, matches] = [{ field: 'price', range: { lt: number(12) } }, ({ attributes }: Known) => attributes.price < 12] as const;
    const { hits, facets } = await search({ query: { vector: [...topics[0]] }, filter, facets: ['tags', 'category', 'createdAt'], limit: 2 });
    expect(hits).toHaveLength(2);
    expect(facets.map(({ field }) => field)).toEqual(['tags', 'category', 'createdAt']);
    for (const { field, values } of facets.slice(0, 2)) {
      const counts = new Map<string, number>();
      for (const item of known.filter(matches)) for (const value of field === 'tags' ? item.attributes.tags : [item.category]) counts.set(value, (counts.get(value) ?? 0) + 1);
      expect(values.map(({ value, items }) => [value!.kind.value, items])).toEqual([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)));
    }
    expect(facets[2].values[0].value!.kind.value).toMatch(/^2026-0\d-\d\dT00:00:00\.000Z$/);
  });

  it.each<[string, Request, string]>([
    ['a filter', { filter: { all: [{ field: 'category', exists: true }, { not: { field: 'prise', exists: true } }] } }, '/filter/all/1/not/field'],
    ['facets', { facets: ['category', 'prise'] }, '/facets/1'],
    ['a grouping', { groupBy: 'prise' }, '/groupBy'],
  ])('name an unknown field of %s and what may have been meant', async (_, request, pointer) => {
    const error: unknown = await search({ query: { vector: [...topics[0]] }, ...request }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ violations: [{ pointer, detail: 'did you mean price?' }] });
  });

  it('take any name while nothing is there', async () => {
    await joint.replica.collections.putCollection({ collection: 'empty', spaces: [{ name: 'joint', dimension, modelVersion: 'synthetic@1' }] }, joint.replica.options);
    const { hits, facets } = await joint.replica.searches.search({ collection: 'empty', query: { vector: [...topics[0]] }, filter: filterOf('whatever', true), facets: ['x'] }, joint.replica.options);
    expect([hits, facets[0].values]).toEqual([[], []]);
  });
});
