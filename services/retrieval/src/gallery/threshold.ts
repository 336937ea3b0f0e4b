/** From which cosine similarity a pair is a match; for a category, a space, both, or in general. */
export interface Threshold {
  readonly category?: string;
  readonly space?: string;
  readonly score: number;
}

/** Alerts begin here when a gallery says nothing else: lower than for near-duplicates, since a miss costs more. */
export const generalThreshold = 0.85;

/** The threshold that fits best: by category and space, then category, then space, then neither. */
export function thresholdOf(thresholds: readonly Threshold[], category: string, space: string): number {
  const fitting = thresholds.filter((threshold) => (threshold.category ?? category) === category && (threshold.space ?? space) === space);
  const closeness = (threshold: Threshold) => (threshold.category === undefined ? 0 : 2) + (threshold.space === undefined ? 0 : 1);
  return fitting.toSorted((a, b) => closeness(b) - closeness(a)).at(0)?.score ?? generalThreshold;
}

/** The lowest threshold that can apply in a space: nothing below it is a match. */
export function lowestThreshold(thresholds: readonly Threshold[], space: string): number {
  const inSpace = thresholds.filter((threshold) => (threshold.space ?? space) === space);
  return Math.min(...inSpace.map(({ score }) => score), thresholdOf(thresholds, '', space));
}
