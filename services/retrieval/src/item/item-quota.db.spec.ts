import { randomUUID } from 'node:crypto';
import { Problem, Reason } from '@touchstone/contracts';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';

const limit = 50;
let database: TestDatabase;
let replicas: Replica[];
let unlimited: Replica;
let collections: string[];

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  unlimited = await startReplica(database);
});
afterAll(async () => {
  await unlimited?.stop();
  await database?.drop();
});
beforeEach(async ({ onTestFinished }) => {
  const tenant = { id: randomUUID(), limits: { items: limit } };
  replicas = await Promise.all([startReplica(database, tenant), startReplica(database, tenant)]);
  onTestFinished(async () => void (await Promise.all(replicas.map((replica) => replica.stop()))));
  collections = ['first', 'second'];
  for (const collection of collections) await replicas[0].collections.putCollection({ collection, spaces: [{ name: 'text' }] }, replicas[0].options);
});

const items = (name: string, size: number) => Array.from({ length: size }, (_, index) => ({ id: `${name}-${index}`, title: `${name} ${index}` }));
const write = ({ items: client, options }: Replica, collection: string, written: ReturnType<typeof items>) => client.upsertItems({ collection, items: written }, options);

it('replicas that write two collections at the same time fill the room, and do not exceed it', async () => {
  const writers = Array.from({ length: 24 }, (_, number) => write(replicas[number % 2], collections[(number >> 1) % 2], items(`w${number}`, 5)));
  const outcomes = await Promise.allSettled(writers);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(limit / 5);
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ reason: Reason.ITEM_QUOTA_EXCEEDED });
  const counted = await Promise.all(collections.map(async (collection) => (await replicas[0].searches.search({ collection, query: { text: 'x' }, limit: 100 }, replicas[0].options)).hits.length));
  expect(counted[0] + counted[1]).toBe(limit);
});

it('names the first item without room and writes none of them; what is there may change, and what is deleted makes room', async () => {
  const [replica] = replicas;
  await write(replica, 'first', items('a', limit - 2));
  const refused: unknown = await write(replica, 'second', [...items('b', 2), ...items('c', 2)]).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Problem);
  expect((refused as Problem).detail).toBe('Your collections have 48 items; 4 more would exceed the 50 that you may store. Delete items or ask for more.');
  expect((refused as Problem).violations).toMatchObject([{ pointer: '/items/2' }]);
  await expect(replica.items.getItem({ collection: 'second', id: 'b-0' }, replica.options)).rejects.toMatchObject({ reason: Reason.ITEM_NOT_FOUND });

  await write(replica, 'second', items('b', 2));
  await write(replica, 'first', [{ id: 'a-0', title: 'another title' }, ...items('a', 3).slice(1)]);
  await expect(write(replica, 'first', [{ id: 'a-0', title: 'a third one' }, { id: 'new', title: 'new' }])).rejects.toMatchObject({ violations: [{ pointer: '/items/1' }] });
  await replica.items.deleteItem({ collection: 'first', id: 'a-1' }, replica.options);
  await write(replica, 'first', [{ id: 'new', title: 'new' }]);
});

it('a tenant without a limit has as many as it likes', async () => {
  await unlimited.collections.putCollection({ collection: 'first', spaces: [{ name: 'text' }] }, unlimited.options);
  await write(unlimited, 'first', items('a', limit + 1));
});
