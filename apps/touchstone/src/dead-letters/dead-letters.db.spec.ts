import { randomUUID } from 'node:crypto';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { deadLetterQueue } from './dead-letters.ts';

let server: TestDatabase;
let owner: pg.Pool;
let printed: string[];

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Pool({ connectionString: server.ownerUrl });
});

afterAll(async () => {
  await owner?.end();
  await server?.drop();
});

beforeEach(() => {
  vi.stubEnv('TOUCHSTONE_RETRIEVAL_DATABASE_URL', server.url);
  vi.stubEnv('TOUCHSTONE_RETRIEVAL_SYSTEM_DATABASE_URL', server.systemUrl);
  printed = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

it('dlq list shows a letter with its cause, and dlq replay puts it back', async () => {
  const [tenant, eventId] = [randomUUID(), randomUUID()];
  await owner.query(
    `insert into retrieval.dead_letter (consumer, topic, key, tenant_id, event_id, payload, cause, attempts, outbox_id)
     values ('retrieval', 'touchstone.retrieval.item.upserted.v1', 'shop/1', $1, $2, '', 'Error: no statistics', 10, 7)`,
    [tenant, eventId],
  );
  expect(await deadLetterQueue(['list'])).toBe(0);
  expect(printed.join('')).toContain(`${eventId}  touchstone.retrieval.item.upserted.v1  tenant ${tenant}  key shop/1  10 attempts  Error: no statistics\n`);
  expect(await deadLetterQueue(['replay', '--tenant', randomUUID()])).toBe(0);
  expect(await deadLetterQueue(['replay', '--tenant', tenant, '--key', 'shop/1'])).toBe(0);
  expect(printed.slice(1)).toEqual(['There are no such dead letters.\n', '1 dead letters are handled again.\n']);
  expect((await owner.query('select id::integer, event_id from retrieval.outbox')).rows).toEqual([{ id: 7, event_id: eventId }]);
});

it.each([
  ['an unknown word', ['burn'], /expected one of/],
  ['a tenant that is no id', ['list', '--tenant', 'acme'], /--tenant: expected a tenant's id, a UUID, got acme/],
  ['a service without events', ['list', '--service', 'cooking'], /--service: expected .*retrieval.*, got cooking/],
  ['a limit that is none', ['list', '--limit', 'all'], /--limit/],
])('dlq refuses %s', async (_, words, message) => {
  await expect(deadLetterQueue(words)).rejects.toThrow(message);
});
