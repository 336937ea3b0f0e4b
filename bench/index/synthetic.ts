import { seededRandom } from '@touchstone/runtime/random';
import { gaussian, normalised } from '../../services/retrieval/src/index/random-vectors.ts';

export const dimension = 256;
const clusters = 1000;
/** Spread of a vector around its cluster's centre, in parts of the spread of the centres. */
const spread = 0.6;

export interface Workload {
  readonly vectors: readonly Float32Array[];
  /** One of 10 equal categories for each vector, independent of the clusters. */
  readonly categories: readonly number[];
  readonly queries: readonly Float32Array[];
}

/**
 * Unit vectors like embeddings: 1,000 clusters, the deviation of coordinate d falling as d^-0.35, so that a prefix carries
 * more than its share; queries from the same law.
 */
export function workload(count: number, queryCount: number, seed: number): Workload {
  const random = seededRandom(seed);
  const deviations = Float64Array.from({ length: dimension }, (_, index) => (index + 1) ** -0.35);
  const centres = Array.from({ length: clusters }, () => deviations.map((deviation) => deviation * gaussian(random)));
  const draw = () => {
    const centre = centres[Math.floor(random() * clusters)];
    return normalised(Float32Array.from(deviations, (deviation, index) => centre[index] + spread * deviation * gaussian(random)));
  };
  const queries = Array.from({ length: queryCount }, draw);
  return { queries, vectors: Array.from({ length: count }, draw), categories: Array.from({ length: count }, (_, index) => index % 10) };
}

/** The true 10 best of each query, by a float64 loop. */
export function truth({ vectors, categories, queries }: Workload, category: number | undefined, limit: number): number[][] {
  const candidates = [...vectors.keys()].filter((index) => category === undefined || categories[index] === category);
  return queries.map((query) => {
    const scores = candidates.map((index) => {
      const vector = vectors[index];
      let score = 0;
      for (let i = 0; i < dimension; i++) score += query[i] * vector[i];
      return { index, score };
    });
    return scores.sort((a, b) => b.score - a.score).slice(0, limit).map(({ index }) => index);
  });
}
