import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, dimension, ids, type JointCollection, known, type Known, type Part, plainSearch, type Request, seed, startJointCollection, topics } from '../fixture/joint-collection.ts';

let joint: JointCollection;
beforeAll(async () => {
  joint = await startJointCollection();
});
afterAll(() => joint?.stop());

const search = (request: Request) => joint.search(request);
const problemOf = (request: Request) => joint.problemOf(request);

describe('pages', () => {
  const requests: [string, Request][] = [
    ['of a vector', { query: { vector: [...topics[0]] } }],
    ['of a vector, parts', { query: { vector: [...topics[1]] }, groupBy: 'part' }],
    ['of a vector, authors', { query: { vector: [...topics[2]] }, groupBy: 'author' }],
    ['of a vector in few dimensions, filtered', { query: { vector: [...topics[2]] }, dimensions: 8, filter: { field: 'price', range: { lt: { kind: { case: 'numberValue', value: 20 } } } } }],
    ['of an item with several pictures', { query: { itemId: 'item-3' }, task: 'image-to-note' }],
    ['of an item with several pictures, parts', { query: { itemId: 'item-3' }, task: 'image-to-ocr', groupBy: 'part' }],
    ['down to a score', { query: { vector: [...topics[3]] }, minScore: 0 }],
  ];

  it.each(requests)('%s are the whole ranking, whatever their size', async (_, request) => {
    const whole = await search({ ...request, limit: 1000 });
    expect(whole.nextCursor).toBeUndefined();
    expect(whole.hits.length).toBeGreaterThan(20);
    for (const limit of [1, 7, 60, whole.hits.length - 1, whole.hits.length]) {
      if (limit === 1 && whole.hits.length > 100) continue;
      const pages = [];
      for (let cursor: string | undefined, page = 0; page === 0 || cursor; page++) {
        const answer = await search({ ...request, limit, cursor });
        expect(answer.hits.length).toBe(Math.min(limit, whole.hits.length - page * limit));
        pages.push(...answer.hits);
        cursor = answer.nextCursor;
      }
      expect(pages).toEqual(whole.hits);
    }
  });

  it('of a text go on with the vector of the first: the model is asked once', async () => {
    const { replica } = joint;
    await replica.collections.putCollection({ collection: 'texts', spaces: [{ name: 'text' }] }, replica.options);
    const items = Array.from({ length: 30 }, (_, index) => ({ id: `t${index}`, title: `Text ${index % 10}` })); // each three times: equal scores
    await replica.items.upsertItems({ collection: 'texts', items }, replica.options);
    const request = { collection: 'texts', query: { text: 'What is asked' } };
    const whole = await replica.searches.search({ ...request, limit: 30 }, replica.options);
    const asked = replica.asked.texts.length;
    const pages = [];
    for (let cursor: string | undefined, page = 0; page === 0 || cursor; page++) {
      const answer = await replica.searches.search({ ...request, limit: 4, cursor }, replica.options);
      pages.push(...answer.hits);
      cursor = answer.nextCursor;
    }
    expect(pages).toEqual(whole.hits);
    expect(replica.asked.texts.length).toBe(asked + 1);
  });

  it('refuses a cursor of another query, a broken one, and takes another limit', async () => {
    const request = { query: { vector: [...topics[0]] }, limit: 5 };
    const { nextCursor: cursor, hits } = await search(request);
    expect(ids((await search({ ...request, limit: 9, cursor })).hits)[0]).not.toBe(hits[4].id);
    for (const other of [{ query: { vector: [...topics[1]] } }, { filter: { field: 'isNew', exists: true } }, { groupBy: 'author' }, { dimensions: 8 }, { minScore: 0.1 }, { task: 'text-to-note' }, { excludeSelf: false }, { cursor: `${cursor!.slice(1)}A` }, { cursor: 'nonsense' }]) {
      expect(await problemOf({ ...request, cursor, ...other })).toBe('invalid-request /cursor');
    }
  });
});

describe('an item of two spaces', () => {
  const few = known.slice(0, 60);
  const inSpaces: [string, (item: Known) => readonly number[]][] = [
    ['first', ({ parts }) => parts[0].vector],
    ['second', ({ parts }) => parts.at(-1)!.vector],
  ];
  const of = (request: Request) => joint.replica.searches.search({ collection: 'two-spaces', query: { itemId: 'item-7' }, ...request }, joint.replica.options);

  beforeAll(async () => {
    const spaces = inSpaces.map(([name]) => ({ name, dimension, modelVersion: `${name}@1` }));
    await joint.replica.collections.putCollection({ collection: 'two-spaces', spaces }, joint.replica.options);
    const items = few.map((item) => ({ id: item.id, author: item.author, vectors: Object.fromEntries(inSpaces.map(([name, vectorIn]) => [name, { note: [...vectorIn(item)] }])) }));
    await joint.replica.items.upsertItems({ collection: 'two-spaces', items }, joint.replica.options);
  });

  it.each<[string, (item: Known) => string]>([
    ['note', ({ id }) => id],
    ['author', ({ author }) => author],
  ])('has the ranks of both fused, by %s, on pages of any size', async (groupBy, group) => {
    const scores = new Map<string, number>();
    for (const [, vectorIn] of inSpaces) {
      const asked = vectorIn(few[7]);
      const ranking = few.filter(({ id }) => id !== 'item-7').toSorted((a, b) => cosine(asked, vectorIn(b)) - cosine(asked, vectorIn(a)));
      const groups = [...new Set(ranking.map(group))];
      groups.forEach((key, index) => scores.set(key, (scores.get(key) ?? 0) + 1 / (61 + index)));
    }
    const expected = [...scores.values()].sort((a, b) => b - a);
    const { hits, nextCursor, explanation } = await of({ groupBy, limit: 1000, explain: true });
    expect(nextCursor).toBeUndefined();
    expect(explanation!.spaces.map(({ space }) => space)).toEqual(['first', 'second']);
    expect(hits).toHaveLength(expected.length);
    hits.forEach(({ id, score, explanation: why }, index) => {
      expect(score, `seed ${seed}`).toBeCloseTo(expected[index], 12);
      expect(score).toBeCloseTo(scores.get(group(few.find((item) => item.id === id)!))!, 12);
      expect(score).toBe(why!.fused);
      expect(why!.matches.reduce((sum, { rank }) => sum + 1 / (60 + rank), 0)).toBeCloseTo(score, 12);
    });
    for (const limit of [7, 30, hits.length]) {
      const pages = [];
      for (let cursor: string | undefined, page = 0; page === 0 || cursor; page++) {
        const answer = await of({ groupBy, limit, cursor });
        pages.push(...answer.hits.map(({ id, score }) => [id, score]));
        cursor = answer.nextCursor;
      }
      expect(pages).toEqual(hits.map(({ id, score }) => [id, score]));
    }
  });
});

it('pages to the end with one vector, and through the best 1,000 with several, whose last page says that it is cut', async () => {
  const { options } = joint.replica;
  await joint.replica.collections.putCollection({ collection: 'long', spaces: [{ name: 'joint', dimension: 2, modelVersion: 'synthetic@1' }] }, options);
  const angle = (index: number) => [Math.cos(index / 1000), Math.sin(index / 1000)];
  const image = [0, 700].map((index) => ({ values: angle(index).map((value) => ({ kind: { case: 'numberValue', value } }) as const) }));
  await joint.replica.items.upsertItems({ collection: 'long', items: [{ id: 'asks', vectors: { joint: { image } } }] }, options);
  for (let start = 0; start < 1_100; start += 100) {
    const items = Array.from({ length: 100 }, (_, index) => ({ id: `n${start + index}`, attributes: { number: start + index }, vectors: { joint: { note: angle(start + index) } } }));
    await joint.replica.items.upsertItems({ collection: 'long', items }, options);
  }
  const all = async (query: Request['query'], isCut: boolean, filter?: Request['filter']) => {
    const found: string[] = [];
    for (let cursor: string | undefined, page = 0; page === 0 || cursor; page++) {
      const answer = await joint.replica.searches.search({ collection: 'long', query, filter, limit: 300, cursor }, options);
      found.push(...ids(answer.hits));
      cursor = answer.nextCursor;
      expect(answer.isCut).toBe(isCut && !cursor);
    }
    return found;
  };
  const byVector = await all({ vector: angle(1_200) }, false);
  expect(byVector.slice(0, 3)).toEqual(['n1099', 'n1098', 'n1097']);
  expect(new Set(byVector).size).toBe(1_101);
  expect(new Set(await all({ itemId: 'asks' }, true)).size).toBe(1_000);
  const numbered = (below: number) => ({ field: 'number', range: { lt: { kind: { case: 'numberValue' as const, value: below } } } });
  for (const fitting of [999, 1_000]) expect(new Set(await all({ itemId: 'asks' }, false, numbered(fitting))).size).toBe(fitting);
  expect(new Set(await all({ itemId: 'asks' }, true, numbered(1_001))).size).toBe(1_000);
});

it('has exactly `limit` groups whenever there are so many', async () => {
  const vector = [...topics[4]];
  const groupings: [string, (item: Known, part: Part) => unknown][] = [
    ['author', ({ author }) => author],
    ['category', ({ category }) => category],
    ['price', ({ attributes }) => attributes.price],
    ['note', ({ id }) => id],
    ['part', ({ id }, { kind, part }) => `${id} ${kind} ${part}`],
    ['isNew', ({ id, attributes }) => attributes.isNew ?? id],
  ];
  for (const [groupBy, group] of groupings) {
    const expected = plainSearch({ vectors: [vector], group });
    for (const limit of [1, 5, 30, 1000]) {
      const { hits } = await search({ query: { vector }, groupBy, limit });
      expect(ids(hits), `${groupBy}, seed ${seed}`).toEqual(ids(expected.slice(0, limit)));
    }
  }
  const { hits } = await search({ query: { vector }, groupBy: 'author', limit: 3 });
  for (const { id, group } of hits) expect(group!.kind).toEqual({ case: 'stringValue', value: known.find((item) => item.id === id)!.author });
});
