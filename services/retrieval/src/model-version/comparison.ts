import { seededRandom } from '@touchstone/runtime/random';
import { bootstrapInterval, type Interval, rankBiasedOverlap } from '@touchstone/statistics';

/** What two versions found for one query, best first. */
export interface RankingPair {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export interface VersionComparison {
  readonly queries: number;
  /** Share of the old version's hits that the new one has too. */
  readonly recall: Interval;
  /** Rank-biased overlap of both orders, 0 to 1. */
  readonly rankOverlap: Interval;
}

/**
 * How alike two versions search, over queries that found something in the old one, with 95 % intervals.
 *
 * @returns undefined without such a query.
 */
export function compareVersions(pairs: readonly RankingPair[], seed: number): VersionComparison | undefined {
  const told = pairs.filter(({ before }) => before.length > 0);
  if (told.length === 0) return undefined;
  const recall = told.map(({ before, after }) => before.filter((id) => after.includes(id)).length / before.length);
  const overlap = told.map(({ before, after }) => rankBiasedOverlap(before, after));
  return {
    queries: told.length,
    recall: bootstrapInterval(recall, { random: seededRandom(seed) }),
    rankOverlap: bootstrapInterval(overlap, { random: seededRandom(seed) }),
  };
}
