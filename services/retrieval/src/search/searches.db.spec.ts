import type { MessageInitShape } from '@bufbuild/protobuf';
import { Problem, reasonName } from '@touchstone/contracts';
import type { FilterSchema, SearchRequestSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { seededRandom } from '@touchstone/runtime/random';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';
import type { Kind } from '../index/vector-index.ts';
import { type TaskName, tasks } from './tasks.ts';

const dimension = 24;
const seed = 20261124;
const random = seededRandom(seed);

interface Part {
  readonly kind: Kind;
  readonly part: number;
  readonly vector: readonly number[];
}

/** An item as this test knows it; what it brings to the space `joint` are directions around its topic. */
interface Known {
  readonly id: string;
  readonly category: string;
  readonly author: string;
  readonly createdAt: number;
  readonly attributes: { readonly price: number; readonly tags: readonly string[]; readonly isNew?: boolean };
  readonly parts: readonly Part[];
}

const around = (center: readonly number[], noise: number) => center.map((value) => value + noise * (random() - 0.5));
const topics = Array.from({ length: 12 }, () => around(Array(dimension).fill(0), 2));
const firstDay = Date.UTC(2026, 0, 1);

const known: readonly Known[] = Array.from({ length: 180 }, (_, index) => {
  const center = around(topics[index % topics.length], 1);
  const pictures = index % 4;
  const images = Array.from({ length: pictures }, (_, part): Part => ({ kind: 'image', part, vector: around(center, 1.5) }));
  const ocr = images.filter(({ part }) => (index + part) % 2 === 0).map(({ part }): Part => ({ kind: 'ocr', part, vector: around(center, 1.5) }));
  return {
    id: `item-${index}`,
    category: `c${index % 5}`,
    author: `a${index % 37}`,
    createdAt: firstDay + (index % 60) * 86_400_000,
    attributes: { price: index % 29, tags: ['x', 'y', 'z'].filter((_, bit) => index & (1 << bit)), ...(index % 3 ? { isNew: index % 2 === 0 } : {}) },
    parts: [{ kind: 'text', part: 0, vector: around(center, 1.5) }, ...images, ...ocr, { kind: 'note', part: 0, vector: around(center, 0.5) }],
  };
});

let database: TestDatabase;
let replica: Replica;
const collection = 'joint';

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  replica = await startReplica(database);
  await replica.collections.putCollection({ collection, spaces: [{ name: 'joint', dimension, modelVersion: 'synthetic@1' }] }, replica.options);
  const toMessage = ({ id, category, author, createdAt, attributes, parts }: Known) => {
    const vectorOf = (kind: Kind) => [...(parts.find((part) => part.kind === kind)?.vector ?? [])];
    const listOf = (kind: Kind) => {
      const count = parts.filter((part) => part.kind === 'image').length;
      const rows = Array.from({ length: count }, (_, part) => parts.find((each) => each.kind === kind && each.part === part)?.vector ?? []);
      return rows.map((vector) => ({ values: vector.map((value) => ({ kind: { case: 'numberValue', value } }) as const) }));
    };
    return {
      ...{ id, category, author },
      createdAt: { seconds: BigInt(createdAt / 1000), nanos: 0 },
      attributes: { ...attributes, tags: [...attributes.tags] },
      vectors: { joint: { text: vectorOf('text'), note: vectorOf('note'), image: listOf('image'), ocr: listOf('ocr') } },
    };
  };
  for (let start = 0; start < known.length; start += 90) {
    await replica.items.upsertItems({ collection, items: known.slice(start, start + 90).map(toMessage) }, replica.options);
  }
});

afterAll(async () => {
  await replica?.stop();
  await database?.drop();
});

type Request = Omit<MessageInitShape<typeof SearchRequestSchema>, 'collection' | '$typeName'>;
const search = (request: Request) => replica.searches.search({ collection, ...request }, replica.options);
const ids = (hits: readonly { readonly id: string }[]) => hits.map(({ id }) => id);

async function problemOf(request: Request): Promise<string> {
  const error: unknown = await search(request).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Problem);
  const { reason, violations } = error as Problem;
  return `${reasonName(reason)} ${violations[0]?.pointer}`;
}

function cosine(a: readonly number[], b: readonly number[], length = dimension): number {
  const product = (x: readonly number[], y: readonly number[]) => x.slice(0, length).reduce((sum, value, index) => sum + value * y[index], 0);
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b));
}

interface PlainQuery {
  readonly vectors: readonly (readonly number[])[];
  readonly kinds?: readonly Kind[];
  readonly matches?: (item: Known) => boolean;
  readonly group?: (item: Known, part: Part) => unknown;
  readonly dimensions?: number;
}

/** The search as a loop over everything. */
function plainSearch({ vectors, kinds, matches = () => true, group = ({ id }) => id, dimensions }: PlainQuery): { id: string; part: number; kind: Kind; score: number }[] {
  const rows = known.filter(matches).flatMap((item) =>
    item.parts
      .filter(({ kind }) => kinds?.includes(kind) ?? true)
      .map((part) => ({ id: item.id, part: part.part, kind: part.kind, group: group(item, part), score: Math.max(...vectors.map((vector) => cosine(vector, part.vector, dimensions))) })),
  );
  const seen = new Set<unknown>();
  return rows.sort((a, b) => b.score - a.score).filter((row) => !seen.has(row.group) && seen.add(row.group));
}

const vectorsOf = (id: string, kind: Kind) => known.find((item) => item.id === id)!.parts.filter((part) => part.kind === kind).map(({ vector }) => vector);

describe.each(Object.keys(tasks) as TaskName[])('%s', (task) => {
  const { query, candidate } = tasks[task];

  it('by item compares its parts of the one kind with the parts of the other', async () => {
    for (const id of ['item-3', 'item-47', 'item-91']) {
      const { hits } = await search({ query: { itemId: id }, task, limit: 20 });
      const expected = plainSearch({ vectors: vectorsOf(id, query), kinds: [candidate], matches: (item) => item.id !== id }).slice(0, 20);
      expect(hits.map(({ id, part, kinds }) => [id, part, kinds]), `seed ${seed}`).toEqual(expected.map(({ id, part, kind }) => [id, part, [kind]]));
      hits.forEach(({ score }, index) => expect(score).toBeCloseTo(expected[index].score, 5));
    }
  });

  it('by vector finds the same', async () => {
    const [vector] = vectorsOf('item-3', query);
    const { hits } = await search({ query: { vector: [...vector] }, task, limit: 20 });
    expect(ids(hits), `seed ${seed}`).toEqual(ids(plainSearch({ vectors: [vector], kinds: [candidate] }).slice(0, 20)));
  });

  it('by an item without such a part says so', async () => {
    if (query === 'text' || query === 'note') return expect((await search({ query: { itemId: 'item-4' }, task })).hits).toHaveLength(10);
    return expect(await problemOf({ query: { itemId: 'item-4' }, task })).toBe('part-not-found /query/itemId');
  });
});

describe('pages', () => {
  const requests: [string, Request][] = [
    ['of a vector', { query: { vector: [...topics[0]] } }],
    ['of a vector, parts', { query: { vector: [...topics[1]] }, groupBy: 'part' }],
    ['of a vector, authors', { query: { vector: [...topics[2]] }, groupBy: 'author' }],
    ['of a vector, filtered', { query: { vector: [...topics[2]] }, filter: { field: 'price', range: { lt: { kind: { case: 'numberValue', value: 20 } } } } }],
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

  it('refuses a cursor of another query, a broken one, and takes another limit', async () => {
    const request = { query: { vector: [...topics[0]] }, limit: 5 };
    const { nextCursor: cursor, hits } = await search(request);
    expect(ids((await search({ ...request, limit: 9, cursor })).hits)[0]).not.toBe(hits[4].id);
    for (const other of [{ query: { vector: [...topics[1]] } }, { filter: filterOf('isNew', true) }, { groupBy: 'author' }, { minScore: 0.1 }, { task: 'text-to-note' }, { excludeSelf: false }, { cursor: `${cursor!.slice(1)}A` }, { cursor: 'nonsense' }]) {
      expect(await problemOf({ ...request, cursor, ...other })).toBe('invalid-request /cursor');
    }
  });
});

function filterOf(field: string, value: boolean): MessageInitShape<typeof FilterSchema> {
  return { field, equals: { kind: { case: 'boolValue', value } } };
}

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
    await replica.collections.putCollection({ collection: 'empty', spaces: [{ name: 'joint', dimension, modelVersion: 'synthetic@1' }] }, replica.options);
    const { hits, facets } = await replica.searches.search({ collection: 'empty', query: { vector: [...topics[0]] }, filter: filterOf('whatever', true), facets: ['x'] }, replica.options);
    expect([hits, facets[0].values]).toEqual([[], []]);
  });
});

describe('examples', () => {
  const mean = (ids: readonly string[]) => {
    const vectors = ids.map((id) => {
      const [vector] = vectorsOf(id, 'note');
      return vector.map((value) => value / Math.hypot(...vector));
    });
    return vectors[0].map((_, index) => vectors.reduce((sum, vector) => sum + vector[index], 0) / vectors.length);
  };

  it('are the mean of the positive, moved away from the negative, and no hits themselves', async () => {
    const positive = ['item-1', 'item-13'];
    const negative = ['item-2', 'item-26'];
    const [liked, disliked] = [mean(positive), mean(negative)];
    const vectors = [liked.map((value, index) => 2 * value - disliked[index])];
    const query = { examples: { positive: positive.map((itemId) => ({ itemId })), negative: negative.map((itemId) => ({ itemId })) } };
    const without = plainSearch({ vectors, matches: ({ id }) => ![...positive, ...negative].includes(id) });
    expect(ids((await search({ query, limit: 30 })).hits), `seed ${seed}`).toEqual(ids(without.slice(0, 30)));
    expect(ids((await search({ query, limit: 30, excludeSelf: false })).hits)).toEqual(ids(plainSearch({ vectors }).slice(0, 30)));
  });

  it('may be vectors, and of the kind of a task', async () => {
    const vector = [...topics[6]];
    const { hits } = await search({ query: { examples: { positive: [{ vector }] } }, task: 'text-to-image', limit: 20 });
    expect(ids(hits)).toEqual(ids(plainSearch({ vectors: [vector], kinds: ['image'] }).slice(0, 20)));
    const pictures = { query: { examples: { positive: [{ itemId: 'item-3' }], negative: [{ itemId: 'item-4' }] } } };
    expect(await problemOf({ ...pictures, task: 'image-to-note' })).toBe('no-joint-space /query/examples');
    expect(await problemOf({ query: { examples: { positive: [{ vector }, { itemId: 'nobody' }] } } })).toBe('item-not-found /query/examples/positive/1/itemId');
    expect(await problemOf({ query: { examples: { positive: [{ vector }, { vector: vector.map((value) => -value) }] } } })).toBe('invalid-request /query/examples');
    expect(await problemOf({ query: { examples: { positive: [], negative: [{ vector }] } } })).toBe('invalid-request /query/examples/positive');
    expect(await problemOf({ query: { examples: { positive: [{ vector }], negative: [{ text: 'a' }] } }, task: 'text-to-note' })).toBe('no-joint-space /query/examples');
  });
});

it('leaves out the item that asks, unless it is wanted', async () => {
  for (const id of ids(known).slice(0, 20)) {
    expect(ids((await search({ query: { itemId: id }, limit: 1000 })).hits)).not.toContain(id);
    const { hits } = await search({ query: { itemId: id }, limit: 1000, excludeSelf: false });
    expect(hits[0].id).toBe(id);
    expect(hits[0].score).toBeCloseTo(1, 5);
    expect(hits).toHaveLength(known.length);
  }
});

it('explains each hit and the search', async () => {
  const { hits, explanation } = await search({ query: { itemId: 'item-3' }, task: 'image-to-note', explain: true, filter: filterOf('isNew', true), limit: 3 });
  expect(explanation).toMatchObject({ position: 2, spaces: [{ space: 'joint', modelVersion: 'synthetic@1', dimensions: 24, vectors: 3, kinds: ['note'], route: 'exact' }] });
  expect(explanation!.spaces[0].examined).toBe(3 * known.filter(({ attributes }) => attributes.isNew).length);
  hits.forEach(({ id, part, kinds, score, explanation: why }, index) => {
    expect(why).toMatchObject({ matches: [{ space: 'joint', modelVersion: 'synthetic@1', id, part, kinds, cosine: score, rank: index + 1 }] });
    expect(why!.fused).toBeUndefined();
  });
  const plain = await search({ query: { itemId: 'item-3' } });
  expect([plain.explanation, plain.hits[0].explanation, plain.hits[0].item, plain.hits[0].group]).toEqual([undefined, undefined, undefined, undefined]);
});

it('brings the items of hits when asked for', async () => {
  const { hits } = await search({ query: { itemId: 'item-3' }, withItems: true, limit: 5 });
  expect(hits.map(({ item }) => item!.id)).toEqual(ids(hits));
  for (const { item } of hits) expect(item).toMatchObject({ category: known.find(({ id }) => id === item!.id)!.category });
});

it('finds nothing that scores less than asked', async () => {
  const vector = [...topics[7]];
  const expected = plainSearch({ vectors: [vector] }).filter(({ score }) => score >= 0.4);
  expect(expected.length).toBeGreaterThan(3);
  expect(ids((await search({ query: { vector }, minScore: 0.4, limit: 1000 })).hits)).toEqual(ids(expected));
});

it.each<[string, Request, string]>([
  ['a text where no model embeds it', { query: { text: 'a' } }, 'no-joint-space /query/text'],
  ['a task of another kind', { query: { text: 'a' }, task: 'image-to-text' }, 'invalid-request /task'],
  ['a task that is none', { query: { text: 'a' }, task: 'text-to-ocr' }, 'invalid-request /task'],
  ['a note of nothing', { query: { note: { title: ' ' } } }, 'invalid-request /query/note'],
  ['a picture with a text', { query: { image: { source: { case: 'base64', value: Uint8Array.of(1) }, ocrText: 'a' } } }, 'invalid-request /query/image/ocrText'],
  ['a vector too long', { query: { vector: Array(dimension + 1).fill(1) } }, 'wrong-dimension /query/vector'],
  ['a vector without direction in its prefix', { query: { vector: [0, 0, ...Array(dimension - 2).fill(1)] }, dimensions: 2 }, 'invalid-request /query/vector'],
  ['more dimensions than there are', { query: { vector: [...topics[0]] }, dimensions: dimension + 1 }, 'dimensions-refused /dimensions'],
  ['few dimensions for OCR', { query: { itemId: 'item-3' }, task: 'ocr-to-note', dimensions: dimension - 1 }, 'dimensions-refused /dimensions'],
  ['a filter too deep', { query: { itemId: 'item-3' }, filter: Array.from({ length: 8 }).reduce((inner: MessageInitShape<typeof FilterSchema>) => ({ not: inner }), filterOf('isNew', true)) }, `invalid-request /filter${'/not'.repeat(8)}`],
])('refuses %s', async (_, request, expected) => expect(await problemOf(request)).toBe(expected));

it('answers any mix of options with hits or with a problem of the caller', async () => {
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)];
  const mostly = <Value>(usual: readonly Value[], odd: readonly Value[]): Value => pick(random() < 0.9 ? usual : odd);
  const vector = () => mostly([[...topics[0]], Array(dimension).fill(1e38), Array(dimension).fill(1e-30)], [Array(dimension).fill(0), [1], [...topics[2].slice(0, 23), NaN]]);
  const source = () => mostly<{ itemId?: string; vector?: number[]; text?: string; note?: { title: string } }>([{ itemId: pick(['item-3', 'item-47']) }, { vector: vector() }], [{ itemId: 'nobody' }, { text: 'a' }, { note: { title: 'a' } }, {}]);
  const examples = () => ({ examples: { positive: [source(), source()].slice(0, mostly([1, 2], [0])), negative: pick([[], [source()]]) } });
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 400; round++) {
    const request: Request = {
      query: { ...pick([source, examples])(), space: mostly([undefined, 'joint'], ['text', '']) },
      task: pick([undefined, undefined, ...Object.keys(tasks)]),
      groupBy: mostly([undefined, 'part', 'note', 'duplicateCluster', 'author', 'createdAt', 'tags'], ['nothing', '']),
      limit: mostly([undefined, 1, 100], [0, 1000, 1001]),
      minScore: mostly([undefined, -1, 0.5, 1], [2]),
      excludeSelf: pick([undefined, true, false]),
      cursor: mostly([undefined], ['AAAA', 'ü']),
      facets: mostly([[], ['tags'], ['createdAt', 'price']], [['nothing'], ['']]),
      explain: pick([true, false]),
      withItems: pick([true, false]),
    };
    const outcome = await search(request).then(
      ({ hits }) => (hits.length <= (request.limit ?? 10) ? 'answered' : 'too many hits'),
      (error: unknown) => (error instanceof Problem ? reasonName(error.reason) : 'bug'),
    );
    expect(outcome, `seed ${seed}, round ${round}: ${JSON.stringify(request)}`).toMatch(/^(answered|invalid-request|no-joint-space|space-not-found|item-not-found|part-not-found|wrong-dimension|unknown-field)$/);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  expect(outcomes.get('answered')).toBeGreaterThan(100);
  expect(outcomes.size).toBeGreaterThan(5);
});
