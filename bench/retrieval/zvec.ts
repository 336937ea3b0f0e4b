import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Engine, fieldsOf, limit, seconds, shares, timed, type Workload } from './engine.ts';
import { bytesOnDisk } from './disk.ts';

const version = '0.7.0';
const batch = 1_000;

/** zvec in this process: HNSW M 16, efConstruction 200 over float32, an inverted index on each field. Fetched from npm into the user's cache, 40 MB. */
export async function zvec({ vectors, queries, dimension }: Workload): Promise<Engine> {
  const library = createRequire(join(await installed(), 'package.json'))('@zvec/zvec') as Record<string, any>;
  const { ZVecCollectionSchema, ZVecCreateAndOpen, ZVecDataType, ZVecIndexType, ZVecInitialize, ZVecLogLevel, ZVecMetricType } = library;
  ZVecInitialize({ logLevel: ZVecLogLevel.ERROR ?? ZVecLogLevel.FATAL });
  const folder = await mkdtemp(join(tmpdir(), 'zvec-'));
  const schema = new ZVecCollectionSchema({
    name: 'bench',
    vectors: { name: 'vector', dataType: ZVecDataType.VECTOR_FP32, dimension, indexParams: { indexType: ZVecIndexType.HNSW, metricType: ZVecMetricType.IP, m: 16, efConstruction: 200 } },
    fields: shares.map((share) => ({ name: `of${share}`, dataType: ZVecDataType.INT64, indexParams: { indexType: ZVecIndexType.INVERT } })),
  });
  const collection = ZVecCreateAndOpen(join(folder, 'data'), schema);
  return {
    name: `zvec ${version}`,
    settings: [64, 128, 256, 512, 1024, 2048],
    standard: 300,
    settingIs: 'ef',
    queriesPerRound: 40,
    async ingest() {
      const took = await seconds(async () => {
        for (let start = 0; start < vectors.length; start += batch) {
          const some = vectors.slice(start, start + batch).map((vector, at) => ({ id: String(start + at), vectors: { vector }, fields: fieldsOf(start + at) }));
          const refused = (collection.insertSync(some) as { ok: boolean; message?: string }[]).find(({ ok }) => !ok);
          if (refused) throw new Error(`zvec refuses a row: ${refused.message}`);
        }
        await collection.optimizeSync();
      });
      return { seconds: took, bytesPerVector: (await bytesOnDisk(folder)) / vectors.length, bytesAre: 'blocks of its files' };
    },
    run: (some, share, ef) =>
      timed(some, (query) =>
        (collection.querySync({
          fieldName: 'vector',
          vector: queries[query],
          topk: limit,
          params: { indexType: ZVecIndexType.HNSW, ef },
          ...(share === undefined ? {} : { filter: `of${share} = 0` }),
          outputFields: [],
        }) as { id: string }[]).map(({ id }) => Number(id)),
      ),
    async close() {
      collection.closeSync();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function installed(): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'touchstone-ci', 'zvec');
  const folder = join(cache, version);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const made = await mkdtemp(join(cache, 'fetch-'));
  try {
    await writeFile(join(made, 'package.json'), '{"private": true}');
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `@zvec/zvec@${version}`], { cwd: made });
    await rename(made, folder);
    return folder;
  } catch (cause) {
    throw new Error('zvec could not be installed; is a package registry reachable?', { cause });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}
