import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Index, MetricKind, ScalarKind } from 'usearch';
import { type Engine, limit } from './engine.ts';
import { dimension, type Workload } from './synthetic.ts';

/** Its Node binding takes no predicate: under a filter it fetches this many and drops what does not match. */
const overFetch = 200;

/** HNSW over 8-bit vectors, M 16, efConstruction 200, ef 64; synchronous, in the calling thread. */
export function usearch(): Engine {
  const index = new Index({ dimensions: dimension, metric: MetricKind.Cos, quantization: ScalarKind.I8, connectivity: 16, expansion_add: 200, expansion_search: 64, multi: false });
  let fieldsOf: Workload['fields'] = [];
  return {
    name: 'usearch 2.26.2, i8 graph',
    async ingest({ vectors, fields }) {
      fieldsOf = fields;
      const flat = new Float32Array(vectors.length * dimension);
      vectors.forEach((vector, at) => flat.set(vector, at * dimension));
      const start = performance.now();
      index.add(BigUint64Array.from(vectors, (_, at) => BigInt(at)), flat, 2);
      const seconds = (performance.now() - start) / 1000;
      const folder = await mkdtemp(join(tmpdir(), 'usearch-'));
      try {
        index.save(join(folder, 'index'));
        return { seconds, bytesPerVector: (await stat(join(folder, 'index'))).size / vectors.length, bytesAre: 'size of its file' };
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    async run(queries, field) {
      const ms: number[] = [];
      const hits: number[][] = [];
      for (const query of queries) {
        const start = performance.now();
        const keys = Array.from(index.search(query, field === undefined ? limit : overFetch, 1).keys, Number);
        hits.push(keys.filter((key) => field === undefined || fieldsOf[key][field] === 1).slice(0, limit));
        ms.push(performance.now() - start);
      }
      return { ms, hits };
    },
    async close() {},
  };
}
