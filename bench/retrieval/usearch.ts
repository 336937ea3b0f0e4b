import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Index, MetricKind, ScalarKind } from 'usearch';
import { type Engine, limit, seconds, timed, type Workload } from './engine.ts';

/**
 * HNSW over 8-bit vectors, M 16, efConstruction 200. Its Node binding takes no predicate, so under a filter as many are fetched
 * as the setting says, and what does not match is dropped; the best are rescored in float32, as we do. The default fetches ten.
 */
export async function usearch({ vectors, queries, dimension }: Workload): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'usearch-'));
  const file = join(folder, 'index');
  const open = (expansion: number) => new Index({ dimensions: dimension, metric: MetricKind.Cos, quantization: ScalarKind.I8, connectivity: 16, expansion_add: 200, expansion_search: expansion, multi: false });
  const byExpansion = new Map<number, Index>();
  const withExpansion = (expansion: number) => {
    let index = byExpansion.get(expansion);
    if (!index) {
      index = open(expansion);
      index.load(file);
      byExpansion.set(expansion, index);
    }
    return index;
  };
  return {
    name: 'usearch 2.26.2, i8 graph',
    settings: [64, 128, 256, 512, 1024, 2048, 4096],
    standard: 10,
    settingIs: 'fetched, rescored',
    queriesPerRound: 40,
    async ingest() {
      const flat = new Float32Array(vectors.length * dimension);
      vectors.forEach((vector, at) => flat.set(vector, at * dimension));
      const index = open(64);
      const took = await seconds(async () => index.add(BigUint64Array.from(vectors, (_, at) => BigInt(at)), flat, 2));
      index.save(file);
      return { seconds: took, bytesPerVector: (await stat(file)).size / vectors.length, bytesAre: 'size of its file, without the float32 that rescoring needs' };
    },
    async run(some, share, setting) {
      const index = withExpansion(Math.max(64, setting));
      return timed(some, (query) => {
        const wanted = queries[query];
        const keys = Array.from(index.search(wanted, setting, 1).keys, Number).filter((key) => share === undefined || key % share === 0);
        if (setting === limit) return keys;
        const scored = keys.map((key) => ({ key, score: product(wanted, vectors[key]) })).sort((a, b) => b.score - a.score);
        return scored.slice(0, limit).map(({ key }) => key);
      });
    },
    close: () => rm(folder, { recursive: true }),
  };
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}
