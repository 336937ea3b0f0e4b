import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { startPostgresServer } from './postgres-server.ts';

it('runs below a folder that no other user may enter, also for root', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'touchstone-closed-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  await chmod(parent, 0o700);
  const server = await startPostgresServer({ folder: join(parent, 'postgres'), isTemporary: true });
  onTestFinished(() => server.stop());
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  const { rows } = await client.query('select 1 as one');
  await client.end();
  expect(rows).toEqual([{ one: 1 }]);
});
