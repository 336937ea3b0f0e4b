import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ids, type JointCollection, plainSearch, type Request, seed, startJointCollection, topics, vectorsOf } from '../fixture/joint-collection.ts';
import { type TaskName, tasks } from './tasks.ts';

let joint: JointCollection;
beforeAll(async () => {
  joint = await startJointCollection();
});
afterAll(() => joint?.stop());

const search = (request: Request) => joint.search(request);
const problemOf = (request: Request) => joint.problemOf(request);

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
