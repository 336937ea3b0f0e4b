import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isPostgresOn } from './orphan.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.ts';

let parent: string;
let dataDir: string;
const running = new Set<EmbeddedPostgres>();
const children = new Set<ChildProcess>();

beforeEach(async () => {
  parent = await realpath(await mkdtemp(join(tmpdir(), 'touchstone-embedded-')));
  dataDir = join(parent, 'postgres');
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const postgres of running) await postgres.stop();
  if (existsSync(join(dataDir, 'data/postmaster.pid'))) await (await startEmbeddedPostgres({ dataDir })).stop(); // ends an orphan
  running.clear();
  children.clear();
  await rm(parent, { recursive: true, force: true });
});

const start = async () => {
  const postgres = await startEmbeddedPostgres({ dataDir });
  running.add(postgres);
  return postgres;
};
const stop = async (postgres: EmbeddedPostgres) => {
  running.delete(postgres);
  await postgres.stop();
};
const query = async (url: string, sql: string) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return (await client.query(sql).finally(() => client.end())).rows;
};
const postmaster = async () => Number((await readFile(join(dataDir, 'data/postmaster.pid'), 'utf8')).split('\n')[0]);
const isRunning = (pid: number) => isPostgresOn(pid, join(dataDir, 'data'));

/** Another process that starts PostgreSQL on `dataDir` and tells its URL. */
function startInChild(): ChildProcess {
  const child = fork(new URL('./embedded-postgres.child.ts', import.meta.url), [dataDir], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(child);
  return child;
}
async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

it('keeps data between starts, in a folder and behind a socket that only its user may enter', async () => {
  const first = await start();
  await query(first.url(), 'create table kept (id int)');
  expect(await query(first.url(), `select current_database() as database, current_setting('listen_addresses') as tcp, current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit`)).toEqual([
    { database: 'touchstone', tcp: '', fsync: 'on', commit: 'on' },
  ]);
  expect([(await stat(dataDir)).mode & 0o777, (await stat(join(dataDir, 'socket'))).mode & 0o777]).toEqual([0o700, 0o700]);
  await stop(first);
  const second = await start();
  expect(await query(second.url(), 'select * from kept')).toEqual([]);
});

it('recovers after kill -9 of its parent: ends what was left running and finds what was committed', async () => {
  const child = startInChild();
  const [url] = (await once(child, 'message')) as [string];
  await query(url, 'create table committed as select 7 as id');
  const orphan = await postmaster();
  await killed(child);
  expect(await isRunning(orphan)).toBe(true);
  const next = await start();
  expect(await isRunning(orphan)).toBe(false);
  expect(await query(next.url(), 'select id from committed')).toEqual([{ id: 7 }]);
});

it('recovers after kill -9 at any moment of the first start', async () => {
  const initialising = (file: string) => existsSync(dataDir) && readdirSync(dataDir).some((name) => name.startsWith('unfinished-') && existsSync(join(dataDir, name, file)));
  const moments = {
    'folder made': () => existsSync(dataDir),
    'initdb started': () => initialising('PG_VERSION'),
    'initdb nearly done': () => initialising('pg_hba.conf') && initialising('base/5'),
    'data in place': () => existsSync(join(dataDir, 'data')),
    'server starting': () => existsSync(join(dataDir, 'data/postmaster.pid')),
  };
  for (const [moment, hasCome] of Object.entries(moments)) {
    const child = startInChild();
    while (!hasCome()) await new Promise(setImmediate);
    await killed(child);
    const next = await start();
    expect(await query(next.url(), 'select 1 as one'), moment).toEqual([{ one: 1 }]);
    await stop(next);
    await rm(dataDir, { recursive: true });
  }
}, 120_000); // ten starts, five of them with initdb

it('recovers after kill -9 of PostgreSQL itself, and tells its parent', async () => {
  const first = await start();
  await query(first.url(), 'create table committed as select 7 as id');
  process.kill(await postmaster(), 'SIGKILL');
  await first.ended;
  await stop(first);
  const second = await start();
  expect(await query(second.url(), 'select id from committed')).toEqual([{ id: 7 }]);
});

it('refuses a folder that another process uses, and leaves that one alone', async () => {
  const child = startInChild();
  const [url] = (await once(child, 'message')) as [string];
  await expect(start()).rejects.toThrow(`${dataDir} is in use by another touchstone (process ${child.pid}).`);
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  child.send('stop');
  await once(child, 'exit');
});

it('starts although the last process id is now another program', async () => {
  await stop(await start());
  await writeFile(join(dataDir, 'data/postmaster.pid'), `${process.pid}\n${join(dataDir, 'data')}\n1\n5432\n`);
  const next = await start();
  expect(await query(next.url(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('says that data are of another major version, and does not touch them', async () => {
  await stop(await start());
  await writeFile(join(dataDir, 'data/PG_VERSION'), '17\n');
  await expect(start()).rejects.toThrow(/was written by PostgreSQL 17; this version brings PostgreSQL 18/);
  expect(await readFile(join(dataDir, 'data/PG_VERSION'), 'utf8')).toBe('17\n');
});

it('finds room for its socket when the folder is deep', async () => {
  await chmod(parent, 0o711);
  dataDir = join(parent, 'a'.repeat(60), 'b'.repeat(60), 'postgres');
  const postgres = await start();
  expect(await query(postgres.url(), 'select 1 as one')).toEqual([{ one: 1 }]);
});
