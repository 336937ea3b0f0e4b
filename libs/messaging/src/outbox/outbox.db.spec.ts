import { randomUUID } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { PolicySchema } from '@touchstone/contracts/gen/touchstone/api/v1/policy_pb';
import { ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { Database } from '@touchstone/persistence';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { count } from '../fixture/journal.ts';
import { maximumPayloadBytes, Outbox } from './outbox.ts';

const tenant = { id: randomUUID() };
const now = Date.parse('2026-01-01T00:00:00Z');

let server: TestDatabase;
let owner: pg.Pool;
let database: Database;
let outbox: Outbox;
let commits: number;

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Pool({ connectionString: server.ownerUrl });
  database = new Database({ service: 'retrieval', url: server.url, systemUrl: server.systemUrl, entities: [] });
});

afterAll(async () => {
  await database?.close();
  await owner?.end();
  await server?.drop();
});

beforeEach(async () => {
  commits = 0;
  outbox = new Outbox({ service: 'retrieval', onCommitted: () => (commits += 1), now: () => now });
  await owner.query('truncate retrieval.outbox');
  await owner.query('delete from retrieval.collection');
});

const collection = (transaction: EntityManager) => transaction.query(`insert into retrieval.collection (tenant_id, name, spaces) values ($1, 'a', '[]')`, [tenant.id]);
const item = (itemId: string) => ({ key: `a/${itemId}`, message: { collection: 'a', itemId, position: 1, isNew: true } });

it('saves message, CloudEvents attributes, tenant and trace', async () => {
  await database.transaction(tenant, (transaction) => outbox.add(transaction, tenant, ItemUpsertedSchema, { ...item('1'), metadata: { reason: 'test' } }));
  const { rows } = await owner.query('select * from retrieval.outbox');
  expect(rows).toMatchObject([{ topic: 'touchstone.retrieval.item.upserted.v1', key: 'a/1', tenant_id: tenant.id }]);
  expect(rows[0].headers).toEqual({
    'content-type': 'application/protobuf',
    ce_specversion: '1.0',
    ce_id: rows[0].event_id,
    ce_source: '/touchstone/retrieval',
    ce_type: 'touchstone.retrieval.item.upserted.v1',
    ce_time: '2026-01-01T00:00:00.000Z',
    tenant: tenant.id,
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/),
    reason: 'test',
  });
  expect(fromBinary(ItemUpsertedSchema, rows[0].payload)).toMatchObject({ collection: 'a', itemId: '1', position: 1, isNew: true });
});

it('continues the caller’s trace, and lets nobody forge tenant or type', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await database.transaction(tenant, (transaction) => outbox.add(transaction, tenant, ItemUpsertedSchema, { ...item('1'), metadata: { traceparent, tenant: 'other', ce_type: 'other' } }));
  const { rows } = await owner.query('select headers from retrieval.outbox');
  expect(rows[0].headers).toMatchObject({ traceparent, tenant: tenant.id, ce_type: 'touchstone.retrieval.item.upserted.v1' });
});

it('adds several in their order', async () => {
  await database.transaction(tenant, (transaction) => outbox.addAll(transaction, tenant, ItemUpsertedSchema, ['3', '1', '2'].map(item)));
  const { rows } = await owner.query('select key from retrieval.outbox order by id');
  expect(rows.map(({ key }) => key)).toEqual(['a/3', 'a/1', 'a/2']);
});

it('refuses an event over the cap, and nothing of its transaction is written', async () => {
  const writing = (bytes: number) =>
    database.transaction(tenant, async (transaction) => {
      await collection(transaction);
      await outbox.add(transaction, tenant, ItemUpsertedSchema, { key: 'a/1', message: { itemId: 'x'.repeat(bytes) } });
    });
  await expect(writing(maximumPayloadBytes)).rejects.toThrow(`touchstone.events.v1.ItemUpserted for a/1 has 1000004 bytes; an event has at most 1000000.`);
  expect([await count(owner, 'collection'), await count(owner, 'outbox'), commits]).toEqual([0, 0, 0]);
  await writing(maximumPayloadBytes - 4);
  expect([await count(owner, 'collection'), await count(owner, 'outbox'), commits]).toEqual([1, 1, 1]);
});

it('wakes the relay after the commit only', async () => {
  await database.transaction(tenant, async (transaction) => {
    await outbox.add(transaction, tenant, ItemUpsertedSchema, item('1'));
    expect(commits).toBe(0);
  });
  expect(commits).toBe(1);
});

it('refuses a message that is no event, and a manager without a transaction', async () => {
  await expect(database.transaction(tenant, (transaction) => outbox.add(transaction, tenant, PolicySchema, { key: 'a', message: {} }))).rejects.toThrow('touchstone.api.v1.Policy is no event');
  let manager: EntityManager | undefined;
  await database.transaction(tenant, async (transaction) => void (manager = transaction.dataSource.manager));
  await expect(outbox.add(manager!, tenant, ItemUpsertedSchema, item('1'))).rejects.toThrow('needs the open transaction');
});
