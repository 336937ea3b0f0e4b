import { seededRandom } from '@touchstone/runtime/random';
import { bootstrapInterval, type Interval, pairedDifference } from '@touchstone/statistics';
import { type Judgements, ndcgAt, precisionAt, recallAt, reciprocalRank } from './ranking-metrics.ts';

/** What was found for one query. */
export interface JudgedRanking {
  readonly relevant: Judgements;
  /** Ids, best first; one ranking for each version. */
  readonly rankings: readonly (readonly string[])[];
}

/** A measure of a ranking at a depth. */
export interface Measure {
  readonly metric: 'recall' | 'precision' | 'ndcg' | 'mrr';
  readonly k: number;
}

export interface Figure extends Measure, Interval {}

export interface IntervalOptions {
  readonly confidence: number;
  readonly seed: number;
}

/** Recall, precision and nDCG at each depth, and the reciprocal rank within the deepest. */
export function measuresAt(depths: readonly number[]): Measure[] {
  const sorted = [...depths].sort((a, b) => a - b);
  return [...(['recall', 'precision', 'ndcg'] as const).flatMap((metric) => sorted.map((k) => ({ metric, k }))), { metric: 'mrr', k: sorted.at(-1)! }];
}

/** The mean of a measure over the queries in one version, with its interval. */
export function figure(measure: Measure, judged: readonly JudgedRanking[], version: number, options: IntervalOptions): Figure {
  return { ...measure, ...bootstrapInterval(valuesOf(measure, judged, version), intervalOptions(options)) };
}

/** By how much the second version's mean is larger, over the same queries. */
export function difference(measure: Measure, judged: readonly JudgedRanking[], options: IntervalOptions): Figure {
  return { ...measure, ...pairedDifference(valuesOf(measure, judged, 0), valuesOf(measure, judged, 1), intervalOptions(options)) };
}

const intervalOptions = ({ confidence, seed }: IntervalOptions) => ({ confidence, random: seededRandom(seed) });

function valuesOf({ metric, k }: Measure, judged: readonly JudgedRanking[], version: number): number[] {
  return judged.map(({ relevant, rankings }) => {
    const ranking = rankings[version];
    if (metric === 'recall') return recallAt(k, ranking, relevant);
    if (metric === 'precision') return precisionAt(k, ranking, relevant);
    return metric === 'ndcg' ? ndcgAt(k, ranking, relevant) : reciprocalRank(ranking.slice(0, k), relevant);
  });
}
