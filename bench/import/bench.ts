// items:import of items with vectors, beside COPY of the same rows alone (same PostgreSQL, no events, no index).
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startPostgres, startTestPlatform } from '@touchstone/testing';
import pg from 'pg';

const items = Number(process.argv[2] ?? 100_000);
const dimension = 384;

/** A vector of length 1 that follows from its number. */
function vectorOf(number: number): Float32Array {
  let state = number + 1;
  const values = Float32Array.from({ length: dimension }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

async function importRate(): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-bench-import-'));
  const platform = await startTestPlatform({ mode: 'one-process', dataDir });
  try {
    const key = readFileSync(join(dataDir, 'admin-key'), 'utf8').trim();
    const call = async (method: string, path: string, body?: string | Buffer, type = 'application/json') =>
      (await (await fetch(`${platform.url}/v1${path}`, { method, headers: { authorization: `Bearer ${key}`, 'content-type': type }, body: body as BodyInit })).json()) as Record<string, any>;
    await call('PUT', '/collections/bench', '{"spaces":[{"name":"text"}]}');
    const lines = Array.from({ length: items }, (_, index) =>
      JSON.stringify({ id: `item-${index}`, title: `Item ${index}`, attributes: { number: index }, vectors: { text: { text: [...vectorOf(index)].map((value) => Number(value.toFixed(6))) } } }),
    );
    const blob = await call('POST', '/blobs', Buffer.from(lines.join('\n')), 'application/jsonl');
    const begun = performance.now();
    const { id } = await call('POST', '/collections/bench/items:import', JSON.stringify({ blobId: blob.id }));
    for (;;) {
      const { state, result } = await call('GET', `/operations/${id}`);
      if (state === 'succeeded') {
        if (result.imported !== items) throw new Error(JSON.stringify(result));
        break;
      }
      if (state === 'failed') throw new Error('the import failed');
      await delay(50);
    }
    return items / ((performance.now() - begun) / 1000);
  } finally {
    await platform.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function copyRate(): Promise<number> {
  const postgres = await startPostgres();
  const client = new pg.Client({ connectionString: postgres.url });
  try {
    await client.connect();
    await client.query('create table item (id text primary key, title text, attributes jsonb, vector bytea)');
    const file = join(tmpdir(), `touchstone-copy-${process.pid}`); // where the user postgres may read it
    const rows = Array.from({ length: items }, (_, index) => `item-${index}\tItem ${index}\t{"number": ${index}}\t\\\\x${Buffer.from(vectorOf(index).buffer).toString('hex')}`);
    writeFileSync(file, `${rows.join('\n')}\n`, { mode: 0o644 });
    const begun = performance.now();
    await client.query(`copy item from '${file}'`);
    const rate = items / ((performance.now() - begun) / 1000);
    await rm(file);
    return rate;
  } finally {
    await client.end();
    await postgres.stop();
  }
}

const copy = await copyRate();
const imported = await importRate();
const result = {
  date: new Date().toISOString().slice(0, 10),
  command: `npm run bench:import --workspace bench -- ${items}`,
  machine: { cores: availableParallelism(), memoryGB: Math.round(totalmem() / 1e9), node: process.version, loadAtEnd: loadavg()[0] },
  items,
  dimension,
  rowsPerSecond: { copyAlone: Math.round(copy), itemsImport: Math.round(imported) },
  ratio: Number((imported / copy).toFixed(3)),
};
writeFileSync(new URL('../results/import.json', import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`);
console.info(JSON.stringify(result, undefined, 2));
