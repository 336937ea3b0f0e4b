import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';

let database: TestDatabase;
let first: Replica;

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  first = await startReplica(database);
});

afterAll(async () => {
  await first.stop();
  await database.drop();
});

const batch = (number: number, size: number) => Array.from({ length: size }, (_, index) => ({ id: `b${number}-${index}`, title: `${number} ${index}`, attributes: { batch: number } }));

async function idsIn(replica: Replica, collection: string): Promise<string[]> {
  const { hits } = await replica.searches.search({ collection, query: { text: 'anything' }, limit: 1000 }, replica.options);
  return hits.map(({ id }) => id).sort();
}

it('a replica that starts finds all that another wrote, more than one page of it', async () => {
  const collection = 'rebuilt';
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  for (let number = 0; number < 12; number++) await first.items.upsertItems({ collection, items: batch(number, 100) }, first.options);
  for (let index = 0; index < 50; index++) await first.items.deleteItem({ collection, id: `b3-${index}` }, first.options);
  await first.items.upsertItems({ collection, items: batch(3, 10) }, first.options);

  const second = await startReplica(database, first.tenant);
  onTestFinished(second.stop);
  for (let number = 0; number < 12; number++) {
    const filter = { field: 'batch', equals: { kind: { case: 'numberValue', value: number } } } as const;
    const { hits } = await second.searches.search({ collection, query: { text: 'x' }, limit: 1000, filter }, second.options);
    expect(hits.length).toBe(number === 3 ? 60 : 100);
  }
});

it('a search on one replica sees what was acknowledged on another', async () => {
  const collection = 'followed';
  const second = await startReplica(database, first.tenant);
  onTestFinished(second.stop);
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);

  for (let round = 0; round < 20; round++) {
    const [writer, reader] = round % 2 ? [first, second] : [second, first];
    await writer.items.upsertItems({ collection, items: batch(round, 3) }, writer.options);
    expect(await idsIn(reader, collection)).toHaveLength(round + 3);
    await reader.items.deleteItem({ collection, id: `b${round}-1` }, reader.options);
    await writer.items.deleteItem({ collection, id: `b${round}-2` }, writer.options);
    expect(await idsIn(writer, collection)).toHaveLength(round + 1);
  }
});

it('searches of several collections at once each see what was acknowledged in theirs', async () => {
  const second = await startReplica(database, first.tenant);
  onTestFinished(second.stop);
  const collections = ['one', 'two', 'three'];
  for (const collection of collections) await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);
  for (let round = 1; round <= 5; round++) {
    for (const [index, collection] of collections.entries()) await first.items.upsertItems({ collection, items: batch(round, index + 1) }, first.options);
    const asked = ['one', 'none', ...collections, 'none'];
    const found = await Promise.allSettled(asked.map((collection) => idsIn(second, collection)));
    expect(found.map((each) => (each.status === 'fulfilled' ? each.value.length / round : each.reason.message))).toEqual([1, expect.stringContaining('none'), 1, 2, 3, expect.stringContaining('none')]);
  }
});

it('a search never sees half of a write, while writers race on both replicas', async () => {
  const collection = 'whole';
  const second = await startReplica(database, first.tenant);
  onTestFinished(second.stop);
  await first.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, first.options);

  let isWriting = true;
  const writers = Promise.all(
    [first, second].map(async (replica, side) => {
      for (let number = side; number < 20; number += 2) await replica.items.upsertItems({ collection, items: batch(number, 25) }, replica.options);
    }),
  ).finally(() => (isWriting = false));
  while (isWriting) {
    for (const replica of [first, second]) expect((await idsIn(replica, collection)).length % 25).toBe(0);
  }
  await writers;
  const { position } = await first.items.upsertItems({ collection, items: batch(20, 25) }, first.options);
  expect(position).toBe(21);
  for (const replica of [first, second]) expect(await idsIn(replica, collection)).toHaveLength(21 * 25);
});

it('counts each write once, whoever of the replicas hears of it', async () => {
  const collection = 'counted';
  const second = await startReplica(database, first.tenant);
  onTestFinished(second.stop);
  await first.collections.putCollection({ collection }, first.options);
  const picture = { source: { case: 'base64', value: new Uint8Array([1, 2, 3]) } } as const;
  await Promise.all([first, second].flatMap((replica, side) => [0, 1, 2].map((number) => replica.items.upsertItems({ collection, items: batch(10 * side + number, 20) }, replica.options))));
  await first.items.upsertItems({ collection, items: [{ id: 'pictured', images: [picture, picture] }] }, first.options);
  await second.items.upsertItems({ collection, items: [{ id: 'pictured', images: [picture] }] }, second.options);
  await second.items.deleteItem({ collection, id: 'b0-0' }, second.options);
  await vi.waitFor(
    async () => {
      const { statistics } = await first.collections.getCollection({ collection }, first.options);
      expect(statistics).toMatchObject({ items: 120, images: 1, upserts: 122, deletes: 1 });
    },
    { timeout: 15_000 },
  );
});
