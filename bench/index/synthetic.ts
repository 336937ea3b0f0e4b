import { seededRandom } from '@touchstone/runtime/random';
import { gaussian, normalised } from '../../services/retrieval/src/index/random-vectors.ts';

export const dimension = 256;
const clusters = 1000;
/** Spread of a vector around its cluster's centre, in parts of the spread of the centres. */
const spread = 0.6;

/** A filter `of10 = 1` leaves one vector in ten. */
export const shares = [2, 10, 100, 1_000, 10_000];

export interface Workload {
  readonly vectors: readonly Float32Array[];
  /** For each vector its `of2`, `of10`, …: one of so many equal values, independent of the clusters and of each other's order. */
  readonly fields: readonly Readonly<Record<string, number>>[];
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
  const vectors = Array.from({ length: count }, draw);
  const fields = vectors.map((_, index) => {
    const order = (index * 7919) % count;
    return Object.fromEntries(shares.map((share) => [`of${share}`, order % share]));
  });
  return { queries, vectors, fields };
}

/** The true 10 best of each query, by a float64 loop. */
export function truth({ vectors, fields, queries }: Workload, field: string | undefined, limit: number): number[][] {
  const candidates = [...vectors.keys()].filter((index) => field === undefined || fields[index][field] === 1);
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
