import { seededRandom } from '@touchstone/runtime/random';
import { bootstrapInterval, type Interval, pairedDifference } from '@touchstone/statistics';
import { type Judgements, ndcgAt, precisionAt, recallAt, reciprocalRank } from './ranking-metrics.ts';

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

/** Each measure of one ranking, aligned with `measures`. @param ranking ids, best first. */
export function measured(measures: readonly Measure[], ranking: readonly string[], relevant: Judgements): number[] {
  return measures.map(({ metric, k }) => {
    if (metric === 'recall') return recallAt(k, ranking, relevant);
    if (metric === 'precision') return precisionAt(k, ranking, relevant);
    return metric === 'ndcg' ? ndcgAt(k, ranking, relevant) : reciprocalRank(ranking.slice(0, k), relevant);
  });
}

/** The mean of a measure over queries, with its interval. */
export function figure(measure: Measure, values: readonly number[], options: IntervalOptions): Figure {
  return { ...measure, ...bootstrapInterval(values, intervalOptions(options)) };
}

/** By how much the second mean is larger, over the same queries. */
export function difference(measure: Measure, first: readonly number[], second: readonly number[], options: IntervalOptions): Figure {
  return { ...measure, ...pairedDifference(first, second, intervalOptions(options)) };
}

const intervalOptions = ({ confidence, seed }: IntervalOptions) => ({ confidence, random: seededRandom(seed) });
