import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDataSource, schemaDifference } from '../index.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval', isEmpty: true });
  const owner = await createDataSource({ url: database.ownerUrl, service: 'kitchen', entities: [] }).initialize();
  await owner.query('create schema kitchen');
  await owner.query('create table kitchen.cook (id uuid primary key)');
  await owner.query(`create table kitchen.dish (
    tenant_id uuid not null, id text not null, cook_id uuid references kitchen.cook, title text not null default '' check (title <> 'x'),
    price bigint, initial text generated always as (left(title, 1)) stored,
    created_at timestamptz not null default now(), primary key (tenant_id, id), unique (title))`);
  await owner.query('create index dish_price on kitchen.dish (price)');
  await owner.destroy();
});
afterAll(() => database?.drop());

type Columns = Record<string, EntitySchemaColumnOptions>;
const dish: Columns = {
  tenantId: { type: 'uuid', primary: true },
  id: { type: 'text', primary: true },
  cookId: { type: 'uuid', nullable: true },
  title: { type: 'text', default: '' },
  price: { type: 'bigint', nullable: true },
  createdAt: { type: 'timestamptz', createDate: true },
};

async function difference(columns: Columns): Promise<string[]> {
  const entity = new EntitySchema({ name: 'Dish', schema: 'kitchen', tableName: 'dish', columns });
  const source = await createDataSource({ url: database.ownerUrl, service: 'kitchen', entities: [entity] }).initialize();
  return schemaDifference(source).finally(() => source.destroy());
}

it('is empty when they agree, whatever keys, indexes and generated columns the migrations add', async () => {
  expect(await difference(dish)).toEqual([]);
});

const { price, ...withoutPrice } = dish;
it.each<[string, Columns, string]>([
  ['a column that only the entity has', { ...dish, salt: { type: 'text' } }, 'ADD "salt" text NOT NULL'],
  ['a column that only the table has', withoutPrice, 'DROP COLUMN "price"'],
  ['another type', { ...dish, price: { ...price, type: 'int' } }, '"price" integer'],
  ['another nullability', { ...dish, price: { type: 'bigint' } }, 'ALTER COLUMN "price" SET NOT NULL'],
  ['another default', { ...dish, title: { type: 'text', default: 'soup' } }, `ALTER COLUMN "title" SET DEFAULT 'soup'`],
  ['another key', { ...dish, cookId: { type: 'uuid', primary: true } }, 'PRIMARY KEY ("tenant_id", "id", "cook_id")'],
])('tells %s', async (_, columns, expected) => {
  expect(await difference(columns)).toContainEqual(expect.stringContaining(expected));
});
