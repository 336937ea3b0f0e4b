import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Engine, limit, type Run } from './engine.ts';
import { dimension, type Workload } from './synthetic.ts';

const run = promisify(execFile);

/** Makes a Python environment with Qdrant Edge in a folder of its own. @throws when there is no Python 3 or no reachable index. */
export async function installQdrantEdge(): Promise<{ python: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'qdrant-edge-'));
  const remove = () => rm(folder, { recursive: true });
  try {
    await run('python3', ['-m', 'venv', folder]);
    const python = join(folder, 'bin/python');
    await run(python, ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', 'qdrant-edge-py==0.9.0', 'numpy']);
    return { python, remove };
  } catch (cause) {
    await remove();
    throw new Error('Qdrant Edge could not be installed: Python 3 with venv and a reachable package index are needed.', { cause });
  }
}

/**
 * Qdrant's engine in a process of its own, timed there, so that no pipe is in the figures: its default HNSW over float32 and
 * its payload index on each field, optimised until it has nothing left to do.
 */
export async function qdrantEdge(python: string, { vectors, queries, fields }: Workload): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'qdrant-edge-data-'));
  const flat = (rows: readonly Float32Array[]) => Buffer.concat(rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength)));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'vectors'), flat(vectors));
  await writeFile(join(folder, 'queries'), flat(queries));
  await writeFile(join(folder, 'fields'), JSON.stringify(fields));
  const child = spawn(python, [fileURLToPath(new URL('./qdrant_edge_peer.py', import.meta.url)), folder, String(dimension), String(limit)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ask = asker(child);
  return {
    name: 'Qdrant Edge 0.9.0, default HNSW',
    async ingest() {
      const { seconds, bytes } = await ask<{ seconds: number; bytes: number }>({ do: 'ingest' });
      return { seconds, bytesPerVector: bytes / vectors.length, bytesAre: 'disk blocks of its segments, memory-mapped' };
    },
    run(some, field) {
      const first = queries.indexOf(some[0]);
      return ask<Run>({ do: 'run', first, count: some.length, field: field ?? null });
    },
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
