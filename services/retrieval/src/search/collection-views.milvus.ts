import { Problem, Reason } from '@touchstone/contracts';
import { type Milvus, startMilvus, testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { startReplica, type Replica } from '../fixture/replica.ts';

let database: TestDatabase;
let milvus: Milvus;
let first: Replica;
let second: Replica;

beforeAll(async () => {
  [database, milvus] = await Promise.all([testDatabase({ service: 'retrieval' }), startMilvus({ timeTickMs: 20 })]);
  first = await startReplica(database, undefined, { milvusAddress: milvus.address, copyLimits: { searched: 100, compared: 100 } });
  second = await startReplica(database, first.tenant, { milvusAddress: milvus.address, copyLimits: { searched: 10, compared: 100 } });
});
afterAll(async () => {
  await first?.stop();
  await second?.stop();
  await milvus?.stop();
  await database?.drop();
});

const batch = (number: number, size: number) => Array.from({ length: size }, (_, index) => ({ id: `b${number}-${index}`, title: `note ${number} ${index}`, attributes: { batch: number } }));

/** As a client does that is told to come again: an index is made, or filled, in some seconds. */
const comesTo = (expected: () => Promise<void>) => vi.waitFor(expected, { timeout: 90_000, interval: 100 });

async function idsIn(replica: Replica, collection: string): Promise<string[]> {
  const { hits } = await replica.searches.search({ collection, query: { text: 'note' }, limit: 100 }, replica.options);
  return hits.map(({ id }) => id).sort();
}

it('what one replica wrote or deleted the other sees in its next search', async () => {
  const collection = 'shared';
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  await comesTo(async () => expect(await idsIn(first, collection)).toEqual([]));
  for (let round = 0; round < 5; round++) {
    const [writer, reader] = round % 2 ? [first, second] : [second, first];
    await writer.items.upsertItems({ collection, items: batch(round, 3) }, writer.options);
    expect(await idsIn(reader, collection)).toHaveLength(round + 3);
    await reader.items.deleteItem({ collection, id: `b${round}-1` }, reader.options);
    await writer.items.deleteItem({ collection, id: `b${round}-2` }, writer.options);
    expect(await idsIn(writer, collection)).toHaveLength(round + 1);
  }
});

it('has each item once, while writers race on both replicas', async () => {
  const collection = 'raced';
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  await Promise.all([first, second].flatMap((replica, side) => [0, 1, 2].map((number) => replica.items.upsertItems({ collection, items: [...batch(2 * number + side, 10), { id: 'everybody', title: `of ${side} ${number}` }] }, replica.options))));
  const expected = [0, 1, 2, 3, 4, 5].flatMap((number) => batch(number, 10).map(({ id }) => id));
  for (const replica of [first, second]) await comesTo(async () => expect(await idsIn(replica, collection)).toEqual([...expected, 'everybody'].sort()));
});

it('another version of a model is built, active on both replicas after a switch, and gone when it is dropped', async () => {
  const collection = 'versions';
  const version = { collection, space: 'text', modelVersion: 'hash@2' };
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  await first.items.upsertItems({ collection, items: batch(1, 20) }, first.options);
  const found = async (replica: Replica, dimension: number) => {
    const vector = Array.from({ length: dimension }, (_, index) => (index === 0 ? 1 : 0));
    return (await replica.searches.search({ collection, query: { vector, space: 'text' }, limit: 100 }, replica.options)).hits.length;
  };
  await comesTo(async () => expect(await found(second, 16)).toBe(20));

  const { id } = await first.versions.reindex(version, first.options);
  const ended = () => first.operations.getOperation({ id }, first.options);
  await comesTo(async () => expect(await ended()).toMatchObject({ state: 'succeeded', result: { vectors: 20, comparison: { queries: 20 } } }));
  await first.versions.switchModelVersion(version, first.options);
  for (const replica of [second, first]) await comesTo(async () => expect(await found(replica, 24)).toBe(20));
  await second.items.upsertItems({ collection, items: batch(2, 3) }, second.options);
  await comesTo(async () => expect(await found(first, 24)).toBe(23));
  await second.versions.switchModelVersion({ ...version, modelVersion: 'hash@1' }, second.options);
  for (const replica of [first, second]) await comesTo(async () => expect(await found(replica, 16)).toBe(23));
  await first.versions.dropModelVersion(version, first.options);
  for (const replica of [second, first]) await comesTo(async () => expect(await found(replica, 16)).toBe(23));
});

async function searched(replica: Replica, collection: string): Promise<{ found: number; route: string }> {
  const { hits, explanation } = await replica.searches.search({ collection, query: { text: 'note' }, limit: 100, explain: true }, replica.options);
  return { found: hits.length, route: explanation!.spaces[0].route };
}

it('while Milvus is away writes stand, smaller collections are searched in a copy and larger ones are not; an empty Milvus is filled from the log', async () => {
  const collection = 'emptied';
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  await first.items.upsertItems({ collection, items: batch(1, 20) }, first.options);
  await first.items.deleteItem({ collection, id: 'b1-0' }, first.options);
  await comesTo(async () => expect(await idsIn(second, collection)).toHaveLength(19));

  await milvus.kill();
  const restarted = onTestFinishedRestart();
  expect(await first.items.upsertItems({ collection, items: batch(2, 5) }, first.options)).toMatchObject({ upserted: 5 });
  expect(await searched(first, collection)).toEqual({ found: 24, route: 'degraded' });
  await second.items.deleteItem({ collection, id: 'b1-1' }, second.options);
  expect(await searched(first, collection)).toEqual({ found: 23, route: 'degraded' });
  const error = await idsIn(second, collection).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(Problem);
  expect([Reason.UNAVAILABLE, Reason.POSITION_NOT_REACHED]).toContain((error as Problem).reason);
  expect((error as Problem).retryAfterSeconds).toBeGreaterThan(0);
  await vi.waitFor(async () => expect(await first.health()).toContainEqual(expect.objectContaining({ part: 'index', isReady: true, detail: expect.stringContaining('Milvus') })), { timeout: 30_000, interval: 100 });

  await restarted();
  for (const replica of [first, second]) {
    await comesTo(async () => expect(await searched(replica, collection)).toEqual({ found: 23, route: 'graph' }));
    expect(await idsIn(replica, collection)).not.toContain('b1-0');
    await comesTo(async () => expect(await idsIn(replica, 'shared')).toHaveLength(5));
  }
});

it('no search fails, and none misses what was acknowledged, while Milvus is killed in the middle and comes back', async () => {
  const collection = 'killed';
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  await first.items.upsertItems({ collection, items: batch(1, 20) }, first.options);
  await comesTo(async () => expect(await searched(first, collection)).toEqual({ found: 20, route: 'graph' }));

  let acknowledged = 20;
  let isOver = false;
  const routes: string[] = [];
  const searching = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const before = acknowledged;
        const { found, route } = await searched(first, collection);
        expect(found).toBeGreaterThanOrEqual(before);
        if (routes.at(-1) !== route) routes.push(route);
      }
    }),
  );
  searching.catch(() => (isOver = true)); // said below
  const writing = (async () => {
    for (let number = 2; !isOver && number < 40; number++) {
      await first.items.upsertItems({ collection, items: batch(number, 2) }, first.options);
      acknowledged += 2;
    }
  })();
  await vi.waitFor(() => expect(acknowledged).toBeGreaterThan(30), { timeout: 60_000, interval: 10 });
  await milvus.kill();
  await Promise.race([searching, vi.waitFor(() => expect(routes).toContain('degraded'), { timeout: 60_000, interval: 10 })]);
  await milvus.restart('kept');
  await Promise.race([searching, vi.waitFor(() => expect(routes.at(-1)).toBe('graph'), { timeout: 90_000, interval: 50 })]);
  isOver = true;
  await Promise.all([searching, writing]);
  expect(await searched(first, collection)).toEqual({ found: acknowledged, route: 'graph' });
});

it('a scan for duplicates compares all vectors in a copy, and refuses what is too large for one', async () => {
  const collection = 'doubled';
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  const twins = Array.from({ length: 20 }, (_, index) => ({ id: `t${index}`, title: `note ${index >> 1}` }));
  await first.items.upsertItems({ collection, items: twins }, first.options);
  const scan = async () => {
    const { id } = await first.duplicates.scanDuplicates({ collection }, first.options);
    await comesTo(async () => expect(['succeeded', 'failed']).toContain((await first.operations.getOperation({ id }, first.options)).state));
    return first.operations.getOperation({ id }, first.options);
  };
  expect(await scan()).toMatchObject({ state: 'succeeded', result: { items: 20, pairs: 10, duplicates: 10 } });
  await comesTo(async () => {
    const { hits } = await second.searches.search({ collection, query: { text: 'note' }, groupBy: 'duplicateCluster', limit: 100 }, second.options);
    expect(hits).toHaveLength(10);
  });
  await first.items.upsertItems({ collection, items: batch(1, 90) }, first.options);
  expect(await scan()).toMatchObject({ state: 'failed', problem: { reason: 'too-many-vectors' } });
});

/** Restarts with an empty disk; at the latest when the test has ended, for the others. */
function onTestFinishedRestart(): () => Promise<void> {
  let done: Promise<void> | undefined;
  const restart = () => (done ??= milvus.restart('empty'));
  onTestFinished(restart);
  return restart;
}
