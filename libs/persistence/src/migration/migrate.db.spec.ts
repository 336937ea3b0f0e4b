import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres, testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DatabaseUnavailable, migrate } from '../index.ts';

let database: TestDatabase;
let folder: string;
beforeEach(async () => {
  database = await testDatabase({ service: 'retrieval', isEmpty: true });
  folder = await mkdtemp(join(tmpdir(), 'touchstone-migrations-'));
  await mkdir(join(folder, 'retrieval'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
  await database.drop();
});

const write = (name: string, sql: string) => writeFile(join(folder, 'retrieval', name), sql);
const run = () => migrate({ url: database.ownerUrl, services: ['retrieval'], folder });
const query = async (sql: string, url = database.ownerUrl) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return (await client.query(sql).finally(() => client.end())).rows;
};

it('applies what is new, once, also when two start at the same time', async () => {
  await write('0001-a.sql', 'create table retrieval.a (id int);\ninsert into retrieval.a values (1);');
  expect((await Promise.all([run(), run(), run()])).flat()).toEqual(['retrieval/0001-a.sql']);
  await write('0002-b.sql', 'insert into retrieval.a values (2);');
  expect(await run()).toEqual(['retrieval/0002-b.sql']);
  expect(await query('select id from retrieval.a order by id')).toEqual([{ id: 1 }, { id: 2 }]);
});

it.each([
  ['a syntax error', 'select 1;\n\ncreate tabel retrieval.x ();', /^migrations\/retrieval\/0002-b\.sql:3: syntax error at or near "tabel"/],
  ['an unknown column within a statement', '-- b\nselect id,\n  name\nfrom retrieval.a;', /0002-b\.sql:3: column "name" does not exist/],
  ['an error without a position', 'select 1;\ncreate table retrieval.a ();', /0002-b\.sql:2: relation "a" already exists/],
])('names file and line of %s and keeps nothing of the file', async (_, sql, message) => {
  await write('0001-a.sql', 'create table retrieval.a (id int);');
  await write('0002-b.sql', `create table retrieval.half ();${sql}`);
  await expect(run()).rejects.toThrow(message);
  expect(await query(`select name from retrieval.migration`)).toEqual([{ name: '0001-a.sql' }]);
  expect(await query(`select to_regclass('retrieval.half') as half`)).toEqual([{ half: null }]);
});

it('refuses a file that was altered after it was applied', async () => {
  await write('0001-a.sql', 'select 1;');
  await run();
  await write('0001-a.sql', 'select 2;');
  await expect(run()).rejects.toThrow('migrations/retrieval/0001-a.sql was altered after it was applied here.');
});

it('takes other line ends for the same file', async () => {
  await write('0001-a.sql', 'select 1;\nselect 2;\n');
  await run();
  await write('0001-a.sql', 'select 1;\r\nselect 2;\r\n');
  expect(await run()).toEqual([]);
});

it('refuses a database of a newer version', async () => {
  await write('0001-a.sql', 'select 1;');
  await write('0002-b.sql', 'select 1;');
  await run();
  await rm(join(folder, 'retrieval/0002-b.sql'));
  await expect(run()).rejects.toThrow(/The database has retrieval\/0002-b\.sql, which this version does not/);
});

it.each(['0003-c.sql', '2-c.sql', '0001-c.sql'])('refuses the number of %s after 0001', async (name) => {
  await write('0001-a.sql', 'select 1;');
  await write(name, 'select 1;');
  await expect(run()).rejects.toThrow(/numbers have neither gaps nor doubles/);
});

it('makes roles that cannot rise, with limits, and refuses one that could', async () => {
  const postgres = await startPostgres({ loopback: true });
  const login = (role: string, password: string) => Object.assign(new URL(postgres.url), { username: role, password: encodeURIComponent(password) }).href;
  const logins = [login('gateway', 'p:@/%'), login('gateway_system', 'other')];
  await migrate({ url: postgres.url, services: ['gateway'], logins });
  expect(await query('select current_user, current_setting($$idle_in_transaction_session_timeout$$) as idle, current_setting($$statement_timeout$$) as statement', logins[0])).toEqual([
    { current_user: 'gateway', idle: '1min', statement: '30s' },
  ]);
  await expect(query('select 1', login('gateway', 'wrong'))).rejects.toThrow(/password authentication failed/);
  await query('alter role gateway_system bypassrls', postgres.url);
  await expect(migrate({ url: postgres.url, services: ['gateway'] })).rejects.toThrow(/Role gateway_system is a superuser or bypasses row-level security/);
  await postgres.stop();
});

it('says DatabaseUnavailable when there is no PostgreSQL', async () => {
  await expect(migrate({ url: 'postgresql://x@127.0.0.1:1/x', services: ['retrieval'] })).rejects.toBeInstanceOf(DatabaseUnavailable);
});
