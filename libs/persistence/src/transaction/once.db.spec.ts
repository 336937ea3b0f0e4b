import { randomUUID } from 'node:crypto';
import type { Once, StoredAnswer } from '@touchstone/runtime/once';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { Database } from '../index.ts';

class AnsweredBefore extends Error {
  constructor(readonly stored: StoredAnswer) {
    super();
  }
}
class StillRunning extends Error {}

const hash = Buffer.from('hash of the request');

/** A write under a key whose result is a number. */
const under = (key: string, waitMs = 5_000): Once<number> => ({
  key,
  waitMs,
  requestHash: hash,
  toAnswer: (result) => Buffer.from(String(result)),
  answeredBefore: (stored) => {
    throw new AnsweredBefore(stored);
  },
  stillRunning: () => {
    throw new StillRunning();
  },
});

let server: TestDatabase;
let database: Database;
let owner: pg.Client;
let tenant: { id: string };

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Client({ connectionString: server.ownerUrl });
  await owner.connect();
  database = new Database({ url: server.url, systemUrl: server.systemUrl, service: 'retrieval', entities: [] });
});

beforeEach(() => {
  tenant = { id: randomUUID() };
});

afterAll(async () => {
  await database?.close();
  await owner?.end();
});

const insertCollection = (name: string) => `insert into retrieval.collection (tenant_id, name, spaces) values ('${tenant.id}', '${name}', '[]')`;
const collections = async () => (await owner.query('select name from retrieval.collection where tenant_id = $1 order by name', [tenant.id])).rows.map(({ name }) => name);
const write = (name: string, result: number, once: Once<number>) =>
  database.transaction(tenant, async (transaction) => {
    await transaction.query(insertCollection(name));
    return result;
  }, once);
const answerOf = (call: Promise<unknown>) => expect(call).rejects.toBeInstanceOf(AnsweredBefore);

it('keeps the answer with the write, and does not write again', async () => {
  expect(await database.answerTo(tenant, 'k')).toBeUndefined();
  expect(await write('one', 7, under('k'))).toBe(7);
  expect(await database.answerTo(tenant, 'k')).toEqual({ requestHash: hash, answer: Buffer.from('7') });
  await answerOf(write('two', 8, under('k')));
  expect(await collections()).toEqual(['one']);
});

it('keeps nothing of a write that failed', async () => {
  await write('one', 1, under('other'));
  await expect(write('one', 1, under('k'))).rejects.toThrow('duplicate key');
  expect(await database.answerTo(tenant, 'k')).toBeUndefined();
  expect(await write('two', 2, under('k'))).toBe(2);
});

it('is the tenant’s own: another tenant’s equal key is another one', async () => {
  await write('one', 1, under('k'));
  tenant = { id: randomUUID() };
  expect(await database.answerTo(tenant, 'k')).toBeUndefined();
  expect(await write('one', 2, under('k'))).toBe(2);
});

it('lets the second of two wait for the first, and gives it the first one’s answer', async () => {
  const started = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const first = database.transaction(tenant, async (transaction) => {
    await transaction.query(insertCollection('one'));
    started.resolve();
    await goOn.promise;
    return 1;
  }, under('k'));
  await started.promise;
  const second = write('two', 2, under('k'));
  second.catch(() => undefined);
  await waiters(1);
  goOn.resolve();
  expect(await first).toBe(1);
  await answerOf(second);
  expect(await collections()).toEqual(['one']);
});

it('lets the second write when the first fails', async () => {
  const started = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const first = database.transaction(tenant, async () => {
    started.resolve();
    await goOn.promise;
    throw new Error('fails');
  }, under('k'));
  first.catch(() => undefined);
  await started.promise;
  const second = write('two', 2, under('k'));
  await waiters(1);
  goOn.resolve();
  await expect(first).rejects.toThrow('fails');
  expect(await second).toBe(2);
  expect(await collections()).toEqual(['two']);
});

it('gives up on a first that takes too long', async () => {
  const started = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const first = database.transaction(tenant, async () => {
    started.resolve();
    await goOn.promise;
    return 1;
  }, under('k'));
  await started.promise;
  await expect(write('two', 2, under('k', 50))).rejects.toBeInstanceOf(StillRunning);
  goOn.resolve();
  await first;
});

it('forgets an answer after a day, and another write may take its key', async () => {
  await write('one', 1, under('k'));
  await write('new', 3, under('new'));
  await owner.query(`update retrieval.idempotency set created_at = now() - interval '25 hours' where tenant_id = $1 and key = 'k'`, [tenant.id]);
  expect(await database.answerTo(tenant, 'k')).toBeUndefined();
  expect(await write('two', 2, under('k'))).toBe(2);
  expect((await database.answerTo(tenant, 'k'))?.answer).toEqual(Buffer.from('2'));
});

it('deletes what is older than a day, of all tenants, and sees nothing else', async () => {
  await write('one', 1, under('old'));
  await write('two', 2, under('new'));
  await owner.query(`update retrieval.idempotency set created_at = now() - interval '25 hours' where key = 'old'`);
  const other = new Database({ url: server.url, systemUrl: server.systemUrl, service: 'retrieval', entities: [] });
  await other.transaction(tenant, async () => 1, under('another'));
  await other.close();
  expect((await owner.query('select key from retrieval.idempotency where tenant_id = $1 order by key', [tenant.id])).rows).toEqual([{ key: 'another' }, { key: 'new' }]);
  expect(await database.systemTransaction((transaction) => transaction.query('select * from retrieval.idempotency'))).toEqual([]);
});

/** Until so many statements wait for a lock. */
async function waiters(count: number): Promise<void> {
  const waiting = `select count(*)::int as waiting from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
  await expect.poll(async () => (await owner.query(waiting)).rows[0].waiting, { interval: 10 }).toBe(count);
}
