import type { MessageInitShape } from '@bufbuild/protobuf';
import { Problem, reasonName } from '@touchstone/contracts';
import type { FilterSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dimension, ids, type JointCollection, known, plainSearch, random, type Request, seed, startJointCollection, topics } from '../fixture/joint-collection.ts';
import { tasks } from './tasks.ts';

let joint: JointCollection;
beforeAll(async () => {
  joint = await startJointCollection();
});
afterAll(() => joint?.stop());

const search = (request: Request) => joint.search(request);
const problemOf = (request: Request) => joint.problemOf(request);

function filterOf(field: string, value: boolean): MessageInitShape<typeof FilterSchema> {
  return { field, equals: { kind: { case: 'boolValue', value } } };
}

it('compares prefixes with their own norms', async () => {
  for (const dimensions of [1, 5, 8, 16, 23, 24]) {
    const vector = [...topics[5]];
    const expected = plainSearch({ vectors: [vector], dimensions });
    const { hits } = await search({ query: { vector }, dimensions, limit: 30 });
    if (dimensions > 1) expect(ids(hits), `${dimensions} dimensions, seed ${seed}`).toEqual(ids(expected.slice(0, 30)));
    hits.forEach(({ score }, index) => expect(score).toBeCloseTo(expected[index].score, 5));
    const short = await search({ query: { vector: vector.slice(0, dimensions) }, dimensions, limit: 30 });
    expect(ids(short.hits)).toEqual(ids(hits));
  }
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
  const { hits, explanation } = await search({ query: { itemId: 'item-3' }, task: 'image-to-note', explain: true, dimensions: 16, filter: filterOf('isNew', true), limit: 3 });
  expect(explanation).toMatchObject({ position: 2, spaces: [{ space: 'joint', modelVersion: 'synthetic@1', dimensions: 16, vectors: 3, kinds: ['note'], route: 'exact' }] });
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
      dimensions: mostly([undefined, dimension], [0, 1, 8, dimension + 1]),
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
    expect(outcome, `seed ${seed}, round ${round}: ${JSON.stringify(request)}`).toMatch(/^(answered|invalid-request|no-joint-space|space-not-found|item-not-found|part-not-found|wrong-dimension|unknown-field|dimensions-refused)$/);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  expect(outcomes.get('answered')).toBeGreaterThan(100);
  expect(outcomes.size).toBeGreaterThan(5);
});
