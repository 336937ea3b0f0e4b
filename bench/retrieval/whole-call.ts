import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startTestPlatform } from '@touchstone/testing';
import { type Engine, fieldsOf, limit, seconds, timed, type Workload } from './engine.ts';

type Json = Record<string, any>;

/** Searches before any is timed. */
const warmUp = 2_000;

/** Lines of one blob: an import of 100,000 vectors comes in several. */
const linesPerImport = 25_000;

/**
 * The platform as users have it: a process for the gateway, one for retrieval, PostgreSQL, gRPC between them; a search is a POST with
 * the vector as JSON, of processes that are warm. Items come through `items:import`, durable, with their events.
 */
export async function wholeCall({ vectors, queries, dimension }: Workload): Promise<Engine & { upsertSeconds(count: number): Promise<number> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-bench-retrieval-'));
  const platform = await startTestPlatform({ mode: 'per-service', dataDir });
  const key = await platform.createKey('bench', ['*']);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const { hostname, port } = new URL(platform.url);

  const call = (method: string, path: string, body?: string | Buffer, type = 'application/json'): Promise<Json> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': type, ...(body ? { 'content-length': Buffer.byteLength(body) } : {}) };
      const asked = request({ hostname, port, agent, method, path: `/v1${path}`, headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk) => chunks.push(chunk)).on('error', reject).on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (answer.statusCode! >= 300) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 500)}`));
          else resolve(JSON.parse(text) as Json);
        });
      });
      asked.on('error', reject).end(body);
    });
  const item = (id: string, row: number) => ({ id, attributes: fieldsOf(row), vectors: { own: { note: Array.from(vectors[row], (value) => Number(value.toPrecision(8))) } } });
  const put = (collection: string) => call('PUT', `/collections/${collection}`, JSON.stringify({ spaces: [{ name: 'own', dimension, modelVersion: 'bench@1', kinds: ['note'] }] }));
  const bodies = queries.map((vector) => `"query":{"space":"own","vector":[${Array.from(vector, (value) => value.toPrecision(8)).join()}]},"limit":${limit}`);

  return {
    name: 'Touchstone, whole call (REST, gRPC, PostgreSQL)',
    settings: [0],
    standard: 0,
    settingIs: 'exact',
    queriesPerRound: 40,
    async ingest() {
      await put('bench');
      const blobs: string[] = [];
      for (let start = 0; start < vectors.length; start += linesPerImport) {
        const rows = Array.from({ length: Math.min(linesPerImport, vectors.length - start) }, (_, at) => start + at);
        const lines = rows.map((row) => JSON.stringify(item(String(row), row))).join('\n');
        blobs.push((await call('POST', '/blobs', Buffer.from(lines), 'application/jsonl')).id);
      }
      const took = await seconds(async () => {
        for (const blobId of blobs) {
          const { id } = await call('POST', '/collections/bench/items:import', JSON.stringify({ blobId }));
          for (let state = ''; state !== 'succeeded'; await delay(20)) {
            const operation = await call('GET', `/operations/${id}`);
            state = operation.state;
            if (state === 'failed' || (state === 'succeeded' && operation.result?.refused)) throw new Error(`the import failed: ${JSON.stringify(operation).slice(0, 500)}`);
          }
        }
        await call('POST', '/collections/bench/search', `{${bodies[0]}}`); // waits for the position of the last write
      });
      // A process compiles what it runs often: its first hundred calls take twice as long as those after two thousand.
      for (let search = 0; search < warmUp; search++) await call('POST', '/collections/bench/search', `{${bodies[search % bodies.length]}}`);
      return { seconds: took, bytesPerVector: NaN, bytesAre: 'see the index' };
    },
    run: (some, share) =>
      timed(some, async (query) => {
        const filter = share === undefined ? '' : `,"filter":{"all":[{"field":"of${share}","equals":0}]}`;
        const { hits } = await call('POST', '/collections/bench/search', `{${bodies[query]}${filter}}`);
        return (hits as { id: string }[]).map(({ id }) => Number(id));
      }),
    /** The same rows by `items:upsert`, 100 a call, each call durable and found when it returns. */
    async upsertSeconds(count) {
      await put('upserts');
      const calls = Array.from({ length: Math.ceil(count / 100) }, (_, call) => JSON.stringify({ items: Array.from({ length: 100 }, (_, at) => item(`u${call * 100 + at}`, (call * 100 + at) % vectors.length)) }));
      return seconds(async () => {
        for (const body of calls) await call('POST', '/collections/upserts/items:upsert', body);
      });
    },
    async close() {
      agent.destroy();
      await platform.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

