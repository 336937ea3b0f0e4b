import { randomUUID } from 'node:crypto';
import { migrate } from '@touchstone/persistence';
import { startPostgres, type Postgres } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { count, effects, Journal } from '../fixture/journal.ts';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres(); // A server of its own: the others must not notice.
  await migrate({ url: postgres.url, services: ['retrieval'] });
});

afterAll(async () => {
  await postgres?.stop();
});

/** Kills one of the server's processes, whereupon PostgreSQL ends all of them and recovers from its log. */
async function crash(): Promise<void> {
  const victim = await connected();
  const { rows } = await victim.query('select pg_backend_pid() as pid');
  const ended = new Promise((resolve) => victim.once('end', resolve));
  process.kill(rows[0].pid, 'SIGKILL');
  await ended;
}

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

it('a database that crashes three times during a run loses no event and repeats no effect', async () => {
  const setup = await connected();
  await Journal.prepare(setup);
  await setup.end();
  const tenant = { id: randomUUID() };
  const journal = await Journal.open(
    { url: postgres.urlOf('retrieval'), systemUrl: postgres.urlOf('retrieval_system') },
    { pollMs: 50, batchSize: 10 },
  );
  const keys = ['a', 'b', 'c', 'd'];
  for (let number = 1; number <= 100; number += 1) await Promise.all(keys.map((key) => journal.write(tenant, key, number)));

  let handled = 0;
  const crashAt = [60, 150, 300];
  journal.behaviour.after = async () => {
    handled += 1;
    if (handled >= crashAt[0]) {
      crashAt.shift();
      await crash();
    }
  };
  await journal.app.listen();
  await vi.waitFor(
    async () => {
      const client = await connected();
      try {
        expect(await count(client, 'outbox')).toBe(0);
        for (const key of keys) expect(await effects(client, tenant, key)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
        expect(await count(client, 'dead_letter')).toBe(0);
      } finally {
        await client.end();
      }
    },
    { timeout: 60_000, interval: 200 },
  );
  expect(crashAt).toEqual([]);
  await journal.close();
}, 90_000);
