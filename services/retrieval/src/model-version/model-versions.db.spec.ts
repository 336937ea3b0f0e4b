import { Reason } from '@touchstone/contracts';
import type { Operation } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { seededRandom } from '@touchstone/runtime/random';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';

let database: TestDatabase;
let owner: pg.Client;
let first: Replica;
let second: Replica;
let collection: string;

const items = (count: number, prefix = 'item') => Array.from({ length: count }, (_, index) => ({ id: `${prefix}-${index}`, title: `Title ${prefix} ${index}` }));
const picture = (content: string, ocrText = '') => ({ source: { case: 'base64' as const, value: new TextEncoder().encode(content) }, ocrText });
const text = { space: 'text', modelVersion: 'hash@2' };

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  first = await startReplica(database);
  second = await startReplica(database, first.tenant);
});
beforeEach(async () => {
  collection = `versions-${randomUUID()}`;
  await first.collections.putCollection({ collection }, first.options);
});
afterEach(() => {
  first.hooks.beforeEmbedding = second.hooks.beforeEmbedding = undefined;
});
afterAll(async () => {
  await first.stop();
  await second.stop();
  await owner.end();
  await database.drop();
});

async function ended(id: string, replica = first): Promise<Operation> {
  let last: Operation | undefined;
  for await (const { event } of replica.operations.watchOperation({ id }, replica.options)) last = event.value;
  return last!;
}

/** Builds a version. @returns what came of it. */
async function reindex(version = text, replica = first): Promise<Operation> {
  const { id } = await replica.versions.reindex({ collection, ...version }, replica.options);
  return ended(id, replica);
}

async function states(space = 'text', replica = second): Promise<string[]> {
  const { spaces } = await replica.collections.getCollection({ collection }, replica.options);
  return spaces.find(({ name }) => name === space)!.versions.map(({ modelVersion, state }) => `${modelVersion} ${state}`);
}

/** What is found by a vector of so many numbers; undefined when the active version has another dimension. */
async function found(dimension: number, replica: Replica, space = 'text'): Promise<number | undefined> {
  const vector = Array.from({ length: dimension }, (_, index) => (index === 0 ? 1 : 0));
  try {
    return (await replica.searches.search({ collection, query: { vector, space }, limit: 1000 }, replica.options)).hits.length;
  } catch (error) {
    if ((error as { reason?: Reason }).reason === Reason.WRONG_DIMENSION) return undefined;
    throw error;
  }
}

const reasonOf = (call: Promise<unknown>) => call.then(() => undefined, (error: { reason: Reason }) => Reason[error.reason]);

/** Parts that one version has and the other has not, and the number of those that both have. */
async function difference(space: string): Promise<{ different: string[]; same: number }> {
  const { rows } = await owner.query<{ part: string; versions: string[] }>(
    `select item_id || ' ' || kinds || ' ' || part || ' ' || encode(content_hash, 'hex') as part, array_agg(model_version order by model_version) as versions
     from retrieval.item_vector where collection = $1 and space = $2 group by 1`,
    [collection, space],
  );
  return { different: rows.filter(({ versions }) => versions.length !== 2).map(({ part, versions }) => `${part} ${versions}`), same: rows.filter(({ versions }) => versions.length === 2).length };
}

it('builds a version beside the active one, switches every replica to it, and back in one call', async () => {
  await first.items.upsertItems({ collection, items: items(100) }, first.options);
  const operation = await reindex();
  expect(operation).toMatchObject({ kind: 'retrieval.reindex', state: 'succeeded', progress: { done: 100, total: 100 }, result: { items: 100, vectors: 100, missing: 0 } });
  expect(await states()).toEqual(['hash@1 active', 'hash@2 standby']);
  expect(await difference('text')).toEqual({ different: [], same: 100 });
  expect([await found(16, second), await found(24, second)]).toEqual([100, undefined]);

  await first.versions.switchModelVersion({ collection, ...text }, first.options);
  expect(await states()).toEqual(['hash@2 active', 'hash@1 standby']);
  for (const replica of [second, first]) expect([await found(16, replica), await found(24, replica)]).toEqual([undefined, 100]);

  await first.items.upsertItems({ collection, items: items(20, 'later') }, first.options);
  await first.items.deleteItem({ collection, id: 'item-7' }, first.options);
  expect(await found(24, second)).toBe(119);

  await second.versions.switchModelVersion({ collection, space: 'text', modelVersion: 'hash@1' }, second.options);
  for (const replica of [first, second]) expect([await found(16, replica), await found(24, replica)]).toEqual([119, undefined]);
  expect(await difference('text')).toEqual({ different: [], same: 119 });
});

it('compares both versions on a sample that the seed draws', async () => {
  await first.items.upsertItems({ collection, items: items(50) }, first.options);
  const { result } = await reindex();
  // Hashes of other versions have nothing to do with each other: of 49 others 10 are found, two tenths of them by chance.
  const { comparison } = result as unknown as { comparison: { queries: number; k: number; seed: number; recall: { estimate: number; lower: number; upper: number }; rankOverlap: { estimate: number } } };
  expect(comparison).toMatchObject({ queries: 50, k: 10, seed: 1, confidence: 0.95 });
  expect(comparison.recall.estimate).toBeGreaterThan(0.1);
  expect(comparison.recall.estimate).toBeLessThan(0.35);
  expect(comparison.recall.lower).toBeLessThan(comparison.recall.estimate);
  expect(comparison.recall.upper).toBeGreaterThan(comparison.recall.estimate);
  expect(comparison.rankOverlap.estimate).toBeLessThan(0.4);
});

it('builds pictures from the kept files, and titles, OCR texts and notes from the rows', async () => {
  const all = [
    { id: 'both', title: 'Title', images: [picture('one', 'words in it'), picture('two')] },
    { id: 'picture', images: [picture('two')] },
  ];
  await first.items.upsertItems({ collection, items: all }, first.options);
  expect((await reindex({ space: 'image', modelVersion: 'hash@2' })).result).toMatchObject({ items: 2, vectors: 3, missing: 0 });
  expect((await reindex()).result).toMatchObject({ items: 2, vectors: 3, missing: 0 });
  expect(await difference('image')).toEqual({ different: [], same: 3 });
  expect(await difference('text')).toEqual({ different: [], same: 3 });
  await first.versions.switchModelVersion({ collection, space: 'image', modelVersion: 'hash@2' }, first.options);
  const image = picture('two').source;
  const { hits } = await second.searches.search({ collection, query: { image: { source: image } }, limit: 5 }, second.options);
  expect(hits.map(({ id, score }) => `${id} ${score.toFixed(3)}`)).toEqual(['both 1.000', 'picture 1.000']);
  expect(await states('text')).toEqual(['hash@1 active', 'hash@2 standby']);
});

it('is complete at the end, whatever is written and deleted on two replicas while it runs', async () => {
  const random = seededRandom(20_261_124);
  await first.items.upsertItems({ collection, items: items(100) }, first.options);
  await first.items.upsertItems({ collection, items: items(100, 'more') }, first.options);
  const { id } = await first.versions.reindex({ collection, ...text }, first.options);
  let isRunning = true;
  const end = ended(id).finally(() => (isRunning = false));
  const expected = new Map<string, string>([...items(100), ...items(100, 'more')].map((item) => [item.id, item.title]));
  for (let turn = 0; isRunning || turn < 60; turn++) {
    const replica = turn % 2 === 0 ? first : second;
    const item = `${random() < 0.5 ? 'item' : 'more'}-${Math.floor(random() * 110)}`;
    if (random() < 0.3 && expected.has(item)) {
      await replica.items.deleteItem({ collection, id: item }, replica.options);
      expected.delete(item);
    } else {
      const title = `Turn ${turn}`;
      await replica.items.upsertItems({ collection, items: [{ id: item, title }] }, replica.options);
      expected.set(item, title);
    }
  }
  expect(await end).toMatchObject({ state: 'succeeded', result: { missing: 0 } });
  expect(await difference('text')).toEqual({ different: [], same: expected.size });
  await first.versions.switchModelVersion({ collection, ...text }, first.options);
  for (const replica of [first, second]) expect(await found(24, replica)).toBe(expected.size);
});

it('embeds a write again that was prepared before the version began', async () => {
  await first.items.upsertItems({ collection, items: items(1) }, first.options);
  let begun: Promise<unknown> | undefined;
  second.hooks.beforeEmbedding = async () => {
    begun ??= first.versions.reindex({ collection, ...text, sample: 0 }, first.options).then(({ id }) => ended(id));
    await begun;
  };
  await second.items.upsertItems({ collection, items: items(3, 'late') }, second.options);
  expect(await difference('text')).toEqual({ different: [], same: 4 });
  expect(await states()).toEqual(['hash@1 active', 'hash@2 standby']);
});

it('goes on where it was when its worker is gone', async () => {
  for (let page = 0; page < 3; page++) await first.items.upsertItems({ collection, items: items(100, `p${page}`) }, first.options);
  const worker = await startReplica(database, first.tenant);
  const others = [first, second];
  let taken: Replica | undefined;
  let batches = 0;
  const stopping = new Promise<void>((resolve) => {
    for (const replica of [...others, worker]) {
      replica.asked.texts.length = 0;
      replica.hooks.beforeEmbedding = () => {
        taken ??= replica;
        if (replica !== taken || ++batches < 3) return;
        resolve();
        throw new Error('this worker comes no further');
      };
    }
  });
  const { id } = await first.versions.reindex({ collection, ...text, sample: 0 }, first.options);
  await stopping;
  // Two checkpoints are there, and whoever made them stops; one of the others goes on.
  const stopped = taken!;
  await stopped.stop();
  const left = [...others, worker].filter((replica) => replica !== stopped);
  const replaced = stopped === worker ? undefined : await startReplica(database, first.tenant);
  if (stopped === first) first = replaced!;
  if (stopped === second) second = replaced!;
  const operation = await ended(id, left[0]);
  expect(operation).toMatchObject({ state: 'succeeded', result: { items: 300, vectors: 300, missing: 0 } });
  const byOthers = [...left, ...(replaced ? [replaced] : [])].flatMap(({ asked }) => asked.texts).length;
  expect(byOthers).toBe(300 - 2 * 64);
  expect(await difference('text')).toEqual({ different: [], same: 300 });
  if (stopped !== worker) await worker.stop();
});

it('is built anew from the log with all versions when a replica starts', async () => {
  await first.items.upsertItems({ collection, items: items(30) }, first.options);
  await reindex();
  await first.versions.switchModelVersion({ collection, ...text }, first.options);
  const third = await startReplica(database, first.tenant);
  expect(await found(24, third)).toBe(30);
  await third.versions.switchModelVersion({ collection, space: 'text', modelVersion: 'hash@1' }, third.options);
  expect([await found(16, third), await found(16, second)]).toEqual([30, 30]);
  await third.stop();
});

it('drops a version with its vectors, keeps the active one, and builds the dropped one anew', async () => {
  await first.items.upsertItems({ collection, items: items(10) }, first.options);
  await reindex();
  expect(await reasonOf(first.versions.dropModelVersion({ collection, space: 'text', modelVersion: 'hash@1' }, first.options))).toBe('MODEL_VERSION_CONFLICT');
  await first.versions.dropModelVersion({ collection, ...text }, first.options);
  expect(await states()).toEqual(['hash@1 active']);
  expect((await difference('text')).same).toBe(0);
  expect([await found(16, second), await found(16, first)]).toEqual([10, 10]);
  await first.items.upsertItems({ collection, items: items(2, 'after') }, first.options);
  expect((await difference('text')).same).toBe(0);

  expect((await reindex(text, second)).result).toMatchObject({ items: 12, vectors: 12 });
  await second.versions.switchModelVersion({ collection, ...text }, second.options);
  expect(await found(24, first)).toBe(12);
});

it('fails when its version is dropped while it is built, and a new one may begin', async () => {
  await first.items.upsertItems({ collection, items: items(10) }, first.options);
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const began = new Promise<void>((resolve) => {
    first.hooks.beforeEmbedding = second.hooks.beforeEmbedding = async () => {
      resolve();
      await held;
    };
  });
  const { id } = await first.versions.reindex({ collection, ...text }, first.options);
  await began;
  expect(await states()).toEqual(['hash@1 active', 'hash@2 building']);
  expect((await first.versions.reindex({ collection, ...text }, first.options)).id).toBe(id);
  expect(await reasonOf(first.versions.switchModelVersion({ collection, ...text }, first.options))).toBe('MODEL_VERSION_CONFLICT');
  await second.versions.dropModelVersion({ collection, ...text }, second.options);
  release();
  expect(await ended(id)).toMatchObject({ state: 'failed', problem: { reason: 'model-version-conflict' } });
  expect(await states()).toEqual(['hash@1 active']);
  expect((await difference('text')).different).toHaveLength(10); // of the active version alone
  expect(await reindex()).toMatchObject({ state: 'succeeded', result: { vectors: 10 } });
});

it('says what has no vector because its caller brought it', async () => {
  const own = Array.from({ length: 16 }, (_, index) => (index === 0 ? 1 : 0));
  await first.items.upsertItems({ collection, items: [{ id: 'own', vectors: { text: { text: own } } }, { id: 'made', title: 'Title' }] }, first.options);
  expect((await reindex()).result).toMatchObject({ items: 2, vectors: 1, missing: 1 });
});

it('refuses what cannot be built, switched or dropped', async () => {
  const { versions, options } = first;
  const stranger = await startReplica(database);
  expect(await reasonOf(stranger.versions.reindex({ collection, ...text }, stranger.options))).toBe('COLLECTION_NOT_FOUND');
  expect(await reasonOf(stranger.versions.switchModelVersion({ collection, ...text }, stranger.options))).toBe('COLLECTION_NOT_FOUND');
  expect(await reasonOf(stranger.versions.dropModelVersion({ collection, ...text }, stranger.options))).toBe('COLLECTION_NOT_FOUND');
  await stranger.stop();
  expect(await reasonOf(versions.reindex({ collection, space: 'joint', modelVersion: 'hash@2' }, options))).toBe('SPACE_NOT_FOUND');
  expect(await reasonOf(versions.reindex({ collection, space: 'text', modelVersion: 'unknown' }, options))).toBe('MODEL_NOT_FOUND');
  expect(await reasonOf(versions.reindex({ collection, space: 'text', modelVersion: 'hash@1' }, options))).toBe('MODEL_VERSION_CONFLICT');
  expect(await versions.reindex({ collection, space: 'text', modelVersion: 'hash@3' }, options).catch((error) => error)).toMatchObject({
    reason: Reason.MODEL_NOT_READY,
    detail: expect.stringContaining('touchstone models pull hash@3'),
  });
  expect(await reasonOf(versions.switchModelVersion({ collection, ...text }, options))).toBe('MODEL_NOT_FOUND');
  expect(await reasonOf(versions.dropModelVersion({ collection, ...text }, options))).toBe('MODEL_NOT_FOUND');
  expect(await states()).toEqual(['hash@1 active']);
});
