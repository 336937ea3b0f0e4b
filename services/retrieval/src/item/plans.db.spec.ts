import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pageStatement } from '../search/collection-log.service.ts';

/** A new installation: nobody has analysed its tables, and plans of foreign keys are made with the first rows. */
let database: TestDatabase;
let client: pg.Client;
const tenant = randomUUID();

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`select set_config('app.tenant', $1, false)`, [tenant]);
  await client.query(`insert into retrieval.collection (tenant_id, name, spaces) values ($1, 'c', '[]')`, [tenant]);
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

/** Names of the indexes that PostgreSQL would use, in order. */
async function indexesOf(sql: string, parameters: readonly unknown[] = []): Promise<string[]> {
  const { rows } = await client.query(`explain ${sql}`, [...parameters]);
  const plan = rows.map((row) => row['QUERY PLAN'] as string).join('\n');
  expect(plan).not.toMatch(/Seq Scan|Bitmap/);
  return [...plan.matchAll(/ using (\w+)/g)].map(([, index]) => index);
}

it.each([0, 1, 500, 5_000])('with %d items that nobody has analysed, a key finds an item and the log its end', async (items) => {
  await client.query(
    `insert into retrieval.item (tenant_id, collection, id, content_hash, position)
     select $1, 'c', 'item-' || number, '', number from generate_series(1, $2::integer) number on conflict do nothing`,
    [tenant, items],
  );
  await client.query(
    `insert into retrieval.item_vector (tenant_id, collection, item_id, space, kinds, part, model_version, content_hash, vector)
     select $1, 'c', 'item-' || number, 'text', 9, 0, 'm@1', '', '' from generate_series(1, $2::integer) number on conflict do nothing`,
    [tenant, items],
  );
  // What the check of a foreign key asks.
  const key = 'where tenant_id = $1 and collection = $2 and';
  expect(await indexesOf(`(generic_plan) select 1 from only retrieval.item ${key} id = $3 for key share`)).toEqual(['item_pkey']);
  expect(await indexesOf(`(generic_plan) delete from retrieval.item_tombstone ${key} item_id = $3`)).toEqual(['item_tombstone_pkey']);
  for (const after of [0, items]) expect(await indexesOf(pageStatement, [tenant, 'c', after])).toEqual(['item_log', 'item_tombstone_log', 'item_vector_pkey', 'collection_pkey']);
});
