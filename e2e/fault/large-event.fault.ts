import { randomUUID } from 'node:crypto';
import { ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { Outbox } from '@touchstone/messaging';
import { Database } from '@touchstone/persistence';
import { testDatabase } from '@touchstone/testing';
import { expect, it, onTestFinished } from 'vitest';
import { record } from './fault-results.ts';

/** No contract lets a caller make such an event, so its writer is asked directly. */
it('an event of 5 MB is refused at its writer, and its transaction leaves nothing', async (context) => {
  const server = await testDatabase({ service: 'retrieval' });
  const database = new Database({ ...server, service: 'retrieval', entities: [] });
  onTestFinished(async () => {
    await database.close();
    await server.drop();
  });
  const outbox = new Outbox({ service: 'retrieval' });
  const tenant = { id: randomUUID() };
  const write = (collection: string, itemId: string) =>
    database.transaction(tenant, async (transaction) => {
      await transaction.query(`insert into retrieval.collection (tenant_id, name, spaces, position) values ($1, $2, '[]', 0)`, [tenant.id, collection]);
      await outbox.add(transaction, tenant, ItemUpsertedSchema, { key: collection, message: { collection, itemId } });
    });
  await expect(write('huge', 'x'.repeat(5_000_000))).rejects.toThrow(/ItemUpserted for huge has 50000\d\d bytes; an event has at most 1000000/);
  await write('small', 'x');
  const collections = await database.transaction(tenant, (transaction) => transaction.query('select name from retrieval.collection'));
  expect(collections).toEqual([{ name: 'small' }]);
  expect(await database.systemQuery('select key from retrieval.outbox')).toEqual([{ key: 'small' }]);
  record(context, { fault: 'an event of 5 MB', seen: 'refused at its writer with its size; nothing of its transaction stays', stillWorked: 'the next event' });
});
