import { Reason } from '@touchstone/contracts';
import { Database } from '@touchstone/persistence';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { entities } from '../entities.ts';
import { type Replica, startReplica } from '../fixture/replica.ts';
import { Scanner } from '../index/scanner.ts';
import { CollectionCopies } from './collection-copies.service.ts';
import { CollectionLog } from './collection-log.service.ts';

let testedDatabase: TestDatabase;
let replica: Replica;
let database: Database;
let scanner: Scanner;

beforeAll(async () => {
  testedDatabase = await testDatabase({ service: 'retrieval' });
  replica = await startReplica(testedDatabase);
  database = new Database({ url: testedDatabase.url, systemUrl: testedDatabase.systemUrl, service: 'retrieval', entities });
  scanner = await Scanner.start({ workers: 1 });
  for (const [collection, size] of [['small', 10], ['smaller', 5], ['large', 11]] as const) {
    await replica.collections.putCollection({ collection, spaces: [{ name: 'text' }] }, replica.options);
    await replica.items.upsertItems({ collection, items: Array.from({ length: size }, (_, index) => ({ id: `i${index}`, title: `note ${index}` })) }, replica.options);
  }
});
afterAll(async () => {
  await scanner.close();
  await database.close();
  await replica.stop();
  await testedDatabase.drop();
});

const copies = (searched = 10) => new CollectionCopies(scanner, { searched, compared: 10 }, new CollectionLog(database));

it('stands in for the index of a collection that is small enough, and is one copy for all who ask', async () => {
  const own = copies();
  const [first, second] = await Promise.all([own.standIn(replica.tenant, 'small'), own.standIn(replica.tenant, 'small')]);
  expect(first!.view).toBe(second!.view);
  await first!.view.follow();
  expect(first!.view.isStandIn).toBe(true);
  expect(first!.view.index.size).toBe(10);
  expect(await own.standIn(replica.tenant, 'large')).toBeUndefined();
  expect([own.size, own.hasStandIn(replica.tenant, 'small'), own.hasStandIn(replica.tenant, 'large')]).toEqual([1, true, false]);
  await expect(own.standIn({ id: '00000000-0000-4000-8000-000000000000' }, 'small')).rejects.toMatchObject({ reason: Reason.COLLECTION_NOT_FOUND });

  // Whoever searches in it when it retires comes to the end; the next one gets another.
  await own.retire(replica.tenant, 'small');
  await first!.release();
  const vector = new Float32Array(16).fill(0.25);
  expect((await second!.view.index.search({ space: 'text', vector, limit: 20 })).hits).toHaveLength(10);
  const third = await own.standIn(replica.tenant, 'small');
  expect(third!.view).not.toBe(second!.view);
  await second!.release();
  await expect(second!.view.index.search({ space: 'text', vector, limit: 1 })).rejects.toThrow('closed');
  await third!.release();
  await own.onApplicationShutdown();
  expect(own.size).toBe(0);
});

it('copies for its own user what is small enough to be compared', async () => {
  const own = copies(0);
  expect(await own.standIn(replica.tenant, 'smaller')).toBeUndefined();
  const { view, release } = await own.copy(replica.tenant, 'small');
  expect([view.index.size, own.size]).toEqual([10, 0]);
  await release();
  await expect(own.copy(replica.tenant, 'large')).rejects.toMatchObject({ reason: Reason.TOO_MANY_VECTORS });
});
