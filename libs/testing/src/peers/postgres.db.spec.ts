import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PostgresStartFailure, startPostgresServer } from '@touchstone/persistence';
import pg from 'pg';
import { expect, it } from 'vitest';
import { startPostgres } from './postgres.ts';
import { testDatabase } from './test-database.ts';

const query = async (url: string, sql: string) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return (await client.query(sql).finally(() => client.end())).rows;
};

it('starts durable, on loopback with a password, and leaves nothing behind', async () => {
  const postgres = await startPostgres({ loopback: true });
  expect(new URL(postgres.url).hostname).toBe('127.0.0.1');
  const [{ fsync, folder }] = await query(postgres.url, `select current_setting('fsync') as fsync, current_setting('data_directory') as folder`);
  expect(fsync).toBe('on');
  await expect(query(Object.assign(new URL(postgres.url), { password: 'wrong' }).href, 'select 1')).rejects.toThrow(/password authentication failed/);
  await postgres.stop();
  expect(existsSync(dirname(folder))).toBe(false);
});

it('ends with its process, also when that is killed', async () => {
  const child = fork(new URL('./postgres.child.ts', import.meta.url));
  const [url] = (await once(child, 'message')) as [string];
  const [{ folder }] = await query(url, `select current_setting('data_directory') as folder`);
  child.kill('SIGKILL');
  while (existsSync(dirname(folder))) await new Promise(setImmediate);
  await expect(query(url, 'select 1')).rejects.toThrow(/ENOENT/);
});

it('says that its port is in use', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-port-'));
  const start = startPostgresServer({ folder, isTemporary: true, loopback: { port, password: 'x' } });
  await expect(start).rejects.toBeInstanceOf(PostgresStartFailure);
  await expect(start).rejects.toThrow(`port ${port} is in use`);
  await rm(folder, { recursive: true });
  other.close();
});

it('gives each test its own database with all migrations, and drops it', async () => {
  const [one, other] = await Promise.all([testDatabase({ service: 'retrieval' }), testDatabase({ service: 'gateway' })]);
  await query(one.ownerUrl, 'create table only_here ()');
  expect(await query(other.ownerUrl, `select to_regclass('only_here') as elsewhere, to_regclass('retrieval.item')::text as item`)).toEqual([{ elsewhere: null, item: 'retrieval.item' }]);
  expect(await query(one.systemUrl, 'select current_user')).toEqual([{ current_user: 'retrieval_system' }]);
  await one.drop();
  while ((await query(other.ownerUrl, `select 1 from pg_database where datname = '${one.name}'`)).length > 0) await new Promise(setImmediate);
  await other.drop();
});

it('knows no database for a service without migrations', async () => {
  await expect(testDatabase({ service: 'cooking' })).rejects.toThrow('No role cooking: there is no migrations/cooking');
});
