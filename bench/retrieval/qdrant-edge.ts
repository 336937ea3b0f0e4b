import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from '../../libs/testing/src/peers/python-environment.ts';
import { type Engine, limit, type Run, shares, type Workload } from './engine.ts';

const packages = ['qdrant-edge-py==0.9.0', 'numpy==2.4.6'];

/**
 * Qdrant's engine in a process of its own, timed there, so that no pipe is in the figures: HNSW over float32, an index on each field,
 * optimised until it has nothing left to do.
 */
export async function qdrantEdge({ vectors, queries, dimension }: Workload): Promise<Engine> {
  const python = join(await pythonEnvironment('qdrant-edge', 'python3', packages), 'bin/python');
  const folder = await mkdtemp(join(tmpdir(), 'qdrant-edge-'));
  const flat = (rows: readonly Float32Array[]) => Buffer.concat(rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength)));
  await writeFile(join(folder, 'vectors'), flat(vectors));
  await writeFile(join(folder, 'queries'), flat(queries));
  const words = [fileURLToPath(new URL('./qdrant_edge_peer.py', import.meta.url)), folder, String(dimension), String(limit), shares.join()];
  const child = spawn(python, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ask = asker(child);
  return {
    name: 'Qdrant Edge 0.9.0',
    settings: [32, 64, 128, 256, 512, 1024],
    standard: 0,
    settingIs: 'hnsw_ef',
    queriesPerRound: 40,
    async ingest() {
      const { seconds, bytes } = await ask<{ seconds: number; bytes: number }>({ do: 'ingest' });
      return { seconds, bytesPerVector: bytes / vectors.length, bytesAre: 'disk blocks of its segments, memory-mapped' };
    },
    run: (some, share, setting) => ask<Run>({ do: 'run', queries: some, share: share ?? null, ef: setting || null }),
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin!.end();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function asker(child: ChildProcess): <Answer>(request: unknown) => Promise<Answer> {
  const answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return async (request) => {
    child.stdin!.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error('The Qdrant Edge process ended; its message is above.');
    return JSON.parse(value);
  };
}
