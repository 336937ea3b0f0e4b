import { type Threshold, thresholdOf } from './threshold.ts';

/** A reference as one search found it. */
export interface Found {
  readonly referenceId: string;
  readonly score: number;
  readonly space: string;
  readonly kind: string;
  readonly part: number;
}

/** How similar something is to a reference, in the space where it is closest to a match. */
export interface Comparison extends Found {
  /** The reference's category; empty when it has none. */
  readonly category: string;
  readonly threshold: number;
}

export const isMatch = ({ score, threshold }: Comparison) => score >= threshold;

/**
 * One comparison for each reference: that of the pair of parts that is furthest above, or least below, its threshold.
 *
 * @returns matches first, the one furthest above first; then the others, the most similar first. Ties by id.
 */
export function comparisons(found: readonly Found[], categoryOf: (referenceId: string) => string, thresholds: readonly Threshold[]): Comparison[] {
  const best = new Map<string, Comparison>();
  for (const one of found) {
    const category = categoryOf(one.referenceId);
    const comparison = { ...one, category, threshold: thresholdOf(thresholds, category, one.space) };
    const known = best.get(one.referenceId);
    if (!known || margin(comparison) > margin(known)) best.set(one.referenceId, comparison);
  }
  const rank = (comparison: Comparison) => (isMatch(comparison) ? 2 + margin(comparison) : comparison.score - 2);
  return [...best.values()].sort((a, b) => rank(b) - rank(a) || (a.referenceId < b.referenceId ? -1 : 1));
}

const margin = ({ score, threshold }: Comparison) => score - threshold;
