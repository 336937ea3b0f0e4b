import { seededRandom } from '@touchstone/runtime/random';
import { gaussian, normalised } from '../../services/retrieval/src/index/random-vectors.ts';
import { seconds, type Workload } from './engine.ts';
import { bareIndex } from './ours.ts';
import type { Row } from './measure.ts';

const threshold = 0.9;
/** One row in so many becomes a near-duplicate of the row before it. */
const everyNth = 50;
const sampled = 300;

export interface Pairs {
  readonly vectors: number;
  readonly threshold: number;
  readonly seconds: number;
  readonly pairs: number;
  /** Of the pairs of a sample of rows, which brute force finds. */
  readonly recall: number;
  /** What a search for each row would take, by the searches of the same run: nobody has all pairs in one call. */
  readonly loops: readonly { readonly engine: string; readonly setting: string; readonly seconds: number }[];
}

/** A peer that was asked with many vectors in one call. */
export interface Together {
  readonly workload: string;
  readonly engine: string;
  readonly setting: string;
  readonly msEach: number;
}

/** All pairs of similar vectors on two threads. */
export async function allPairs(workload: Workload, rows: readonly Row[], together: readonly Together[], seed: number): Promise<Pairs> {
  const random = seededRandom(seed);
  const noise = 0.25 / Math.sqrt(workload.dimension);
  const vectors = workload.vectors.map((vector, row) => (row % everyNth === 1 ? normalised(workload.vectors[row - 1].map((value) => value + noise * gaussian(random))) : vector));
  const { index, ingest, close } = await bareIndex({ ...workload, vectors }, 2);
  await ingest();
  const found = new Map<string, number>();
  const took = await seconds(async () => {
    const pairs = index.pairs('own', 'note', threshold);
    const blocks = pairs.blocks();
    for (const block of blocks.keys()) await pairs.find(blocks, block, ({ a, b, score }) => void found.set(`${a.id} ${b.id}`, score));
    pairs.close();
  });
  await close();

  let expected = 0;
  let right = 0;
  const step = Math.max(1, Math.floor(vectors.length / sampled));
  for (let left = 0; left < vectors.length; left += step) {
    for (let other = 0; other < vectors.length; other++) {
      if (other === left) continue;
      let score = 0;
      for (let at = 0; at < workload.dimension; at++) score += vectors[left][at] * vectors[other][at];
      if (score < threshold) continue;
      expected++;
      const [a, b] = [String(left), String(other)].sort();
      if (found.has(`${a} ${b}`)) right++;
    }
  }
  const here = rows.filter((row) => row.share === undefined && row.workload === workload.name && /Qdrant|Milvus/.test(row.engine));
  // The smallest setting with our recall, which may be the standard one.
  const best = here.filter((row) => row.chosen !== 'standard' || !here.some((other) => other.engine === row.engine && other.chosen !== 'standard'));
  const oneByOne = best.map(({ engine, setting, p50Ms }) => ({ engine, setting, msEach: p50Ms }));
  const loops = [...oneByOne, ...together.filter((each) => each.workload === workload.name)].map(({ engine, setting, msEach }) => ({ engine, setting, seconds: Math.round((msEach * vectors.length) / 1000) }));
  return { vectors: vectors.length, threshold, seconds: Number(took.toFixed(2)), pairs: found.size, recall: Number((right / expected).toFixed(4)), loops };
}
