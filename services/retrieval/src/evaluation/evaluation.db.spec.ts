import { Reason } from '@touchstone/contracts';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';

const collection = 'evaluated';
let database: TestDatabase;
let replica: Replica;

const items = Array.from({ length: 40 }, (_, index) => ({ id: `item-${index}`, title: `Title ${index}`, attributes: { even: index % 2 === 0 } }));
/** A text is nearest to itself, so every query finds its item first. */
const queries = items.slice(0, 20).map(({ id, title }) => ({ query: { text: title }, relevant: [id] }));

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  replica = await startReplica(database);
  await replica.collections.putCollection({ collection }, replica.options);
  await replica.items.upsertItems({ collection, items }, replica.options);
  const { id } = await replica.versions.reindex({ collection, space: 'text', modelVersion: 'hash@2' }, replica.options);
  for await (const { event } of replica.operations.watchOperation({ id }, replica.options)) if (event.case === 'finished') expect(event.value.state).toBe('succeeded');
});
afterAll(async () => {
  await replica.stop();
  await database.drop();
});

type Request = Parameters<Replica['evaluations']['evaluate']>[0];
type Asked = Omit<Request, 'collection' | '$typeName'>;
interface Figure {
  readonly metric: string;
  readonly k: number;
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}
interface Evaluated {
  readonly tasks: readonly { readonly task?: string; readonly queries: number; readonly versions: readonly { readonly modelVersion?: string; readonly figures: readonly Figure[] }[]; readonly differences: readonly Figure[] }[];
}

const begin = async (request: Asked, { evaluations, options } = replica) => (await evaluations.evaluate({ collection, ...request }, options)).id;

/** @returns the operation when it has ended. */
async function ended(id: string, { operations, options } = replica) {
  for await (const { event } of operations.watchOperation({ id }, options)) if (event.case === 'finished') return event.value;
  throw new Error('the stream ended before the operation');
}

async function evaluate(request: Asked): Promise<Evaluated> {
  const { state, result, problem } = await ended(await begin(request));
  expect({ state, problem }).toEqual({ state: 'succeeded' });
  return result as unknown as Evaluated;
}

/** What is refused at once, or what the operation failed with. */
async function problemOf(request: Asked): Promise<string> {
  let id: string;
  try {
    id = await begin(request);
  } catch (error) {
    const { reason, violations } = error as { reason: Reason; violations: { pointer?: string }[] };
    return `${Reason[reason]} ${violations[0]?.pointer}`;
  }
  const { problem } = await ended(id);
  return `fails: ${problem!.reason} ${problem!.violations[0]?.pointer}`;
}

it('measures each task by itself, with intervals', async () => {
  // A relevant item that is not there can never be found.
  const lost = items.slice(0, 10).map(({ id, title }) => ({ query: { text: title }, task: 'text-to-note', relevant: [`${id}-gone`, id], grades: [3, 1] }));
  const { tasks } = await evaluate({ queries: [...queries, ...lost], k: [1, 2] });
  expect(tasks.map(({ task, queries: count }) => [task, count])).toEqual([[undefined, 20], ['text-to-note', 10]]);
  const shown = (index: number) => tasks[index].versions[0].figures.map(({ metric, k, estimate, lower, upper }) => [`${metric}@${k}`, estimate, lower, upper]);
  expect(shown(0)).toEqual([['recall@1', 1, 1, 1], ['recall@2', 1, 1, 1], ['precision@1', 1, 1, 1], ['precision@2', 0.5, 0.5, 0.5], ['ndcg@1', 1, 1, 1], ['ndcg@2', 1, 1, 1], ['mrr@2', 1, 1, 1]]);
  // Of two relevant items the one of grade 1 is found first: nDCG@1 is 1/3, nDCG@2 is 1 / (3 + 1/log₂3).
  const ndcg2 = 1 / (3 + 1 / Math.log2(3));
  for (const [name, expected] of [['recall@2', 0.5], ['precision@2', 0.5], ['ndcg@1', 1 / 3], ['ndcg@2', ndcg2], ['mrr@2', 1]] as const) {
    expect(shown(1).find(([label]) => label === name)![1], name).toBeCloseTo(expected, 12);
  }
});

it('compares two versions on the same queries', async () => {
  // What hash@1 ranks second is relevant: of 40 items hash@2 has it there as good as never.
  const second = await Promise.all(
    queries.map(async ({ query }) => (await replica.searches.search({ collection, query, limit: 2 }, replica.options)).hits[1].id),
  );
  const labelled = queries.map(({ query }, index) => ({ query, relevant: [second[index]] }));
  const { tasks } = await evaluate({ queries: labelled, k: [2], modelVersions: ['hash@1', 'hash@2'], seed: 5 });
  const [{ versions, differences }] = tasks;
  const of = (figures: (typeof versions)[number]['figures'], name: string) => figures.find(({ metric }) => metric === name)!;
  expect(versions.map(({ modelVersion }) => modelVersion)).toEqual(['hash@1', 'hash@2']);
  expect(of(versions[0].figures, 'recall').estimate).toBe(1);
  expect(of(versions[0].figures, 'mrr').estimate).toBe(0.5);
  const worse = of(versions[1].figures, 'recall').estimate;
  expect(worse).toBeLessThan(0.4);
  expect(of(differences, 'recall')).toMatchObject({ k: 2, estimate: worse - 1 });
  expect(of(differences, 'recall').upper).toBeLessThan(0);
  expect(await evaluate({ queries: labelled, k: [2], modelVersions: ['hash@1', 'hash@2'], seed: 5 })).toEqual(await evaluate({ queries: labelled, k: [2], modelVersions: ['hash@1', 'hash@2'], seed: 5 }));
});

it('searches under a query’s own filter', async () => {
  const filter = { field: 'even', equals: { kind: { case: 'boolValue' as const, value: true } } };
  const { tasks } = await evaluate({ queries: [{ query: { text: 'Title 3' }, filter, relevant: ['item-3'] }, { query: { text: 'Title 4' }, filter, relevant: ['item-4'] }], k: [1] });
  expect(tasks[0].versions[0].figures.find(({ metric }) => metric === 'recall')!.estimate).toBe(0.5);
});

it('names the query that is wrong', async () => {
  const good = queries[0];
  expect(await problemOf({ queries: [good, { query: { itemId: 'nobody' }, relevant: ['a'] }] })).toBe('fails: item-not-found /queries/1/query/itemId');
  expect(await problemOf({ queries: [good, { query: { text: 'x' }, filter: { field: 'nothing', exists: true }, relevant: ['a'] }] })).toBe('fails: unknown-field /queries/1/filter/field');
  expect(await problemOf({ queries: [{ ...good, grades: [1, 2] }] })).toBe('INVALID_REQUEST /queries/0/grades');
  expect(await problemOf({ queries: [good], modelVersions: ['hash@9'] })).toBe('MODEL_NOT_FOUND /modelVersions');
  expect(await problemOf({ queries: [good], dimensions: 17 })).toBe('fails: dimensions-refused /dimensions');
  expect(await problemOf({ queries: [] })).toBe('INVALID_REQUEST /queries');
  expect(await problemOf({ queries: [good, { query: { text: 'x' }, filter: { field: 'even', range: {} }, relevant: ['a'] }] })).toBe('INVALID_REQUEST /queries/1/filter/range');
  await expect(replica.evaluations.evaluate({ collection: 'nowhere', queries: [good] }, replica.options)).rejects.toMatchObject({ reason: Reason.COLLECTION_NOT_FOUND });
});

const many = Array.from({ length: 120 }, (_, index) => ({ query: { text: `Title ${index % 40} of many` }, relevant: [`item-${index % 40}`] }));

it('goes on behind its last checkpoint when its replica stops, to the same figures', async () => {
  const expected = await evaluate({ queries: many });
  const replicas = [replica, await startReplica(database, replica.tenant)];
  const reached = Promise.withResolvers<Replica>();
  const held = Promise.withResolvers<void>();
  held.promise.catch(() => undefined);
  for (const each of replicas) {
    each.asked.texts.length = 0;
    each.hooks.beforeEmbedding = () => {
      if (each.asked.texts.length < 70) return;
      reached.resolve(each);
      return held.promise;
    };
  }
  const id = await begin({ queries: many });
  const worker = await reached.promise;
  replica = replicas.find((each) => each !== worker)!;
  delete replica.hooks.beforeEmbedding;
  const stopping = worker.stop();
  held.reject(new Error('the model is gone'));
  await stopping;
  const { state, result } = await ended(id);
  expect(state).toBe('succeeded');
  expect(result).toEqual(expected);
  expect(replica.asked.texts).toHaveLength(many.length - 50); // of a checkpoint
});

/** Another version becomes active while the nth query is embedded, until the test has ended. */
function switchAt(nth: number): void {
  const version = { collection, space: 'text', modelVersion: 'hash@2' };
  let embedded = 0;
  replica.hooks.beforeEmbedding = async (_, inputs) => {
    const before = embedded;
    embedded += inputs;
    if (before < nth && embedded >= nth) await replica.versions.switchModelVersion(version, replica.options);
  };
  onTestFinished(async () => {
    delete replica.hooks.beforeEmbedding;
    await replica.versions.switchModelVersion({ ...version, modelVersion: 'hash@1' }, replica.options);
  });
}

it.each([60, 110])('begins anew when another version becomes active at query %d of 120, so that all are measured in one', async (nth) => {
  switchAt(nth);
  const { tasks } = await evaluate({ queries: many });
  delete replica.hooks.beforeEmbedding;
  const { tasks: [{ versions: [{ figures }] }] } = await evaluate({ queries: many, modelVersions: ['hash@2'] });
  expect(tasks[0].versions[0].figures).toEqual(figures);
});

it('goes on when another version becomes active, if the versions that are measured were named', async () => {
  switchAt(60);
  replica.asked.texts.length = 0;
  await evaluate({ queries: many, modelVersions: ['hash@1'] });
  expect(replica.asked.texts).toHaveLength(many.length);
});
