/** A pair that a person has labelled, with its similarity. */
export interface ScoredPair {
  readonly score: number;
  readonly isMatch: boolean;
}

/** What a threshold does on labelled pairs. */
export interface Outcome {
  readonly threshold: number;
  /** Matching pairs at or above the threshold. */
  readonly found: number;
  /** All pairs at or above it. */
  readonly above: number;
  /** All matching pairs. */
  readonly matching: number;
}

/**
 * The lowest threshold at which the pairs at or above it are a match in at least `precision` of the cases: the one that
 * finds most among those that are good enough. It is the score of a matching pair.
 *
 * @param pairs in any order.
 * @returns undefined when no threshold is good enough.
 */
export function calibrate(pairs: readonly ScoredPair[], precision: number): Outcome | undefined {
  return sweep(pairs.toSorted(descending), precision, () => 1);
}

/**
 * Where the threshold lies in 95 % of resampled sets of pairs: percentile bootstrap (Efron, Tibshirani: An Introduction to
 * the Bootstrap, 1993, section 13.3).
 *
 * @param random in [0, 1); its seed decides the interval.
 * @returns undefined when more than a twentieth of the resampled sets have no threshold.
 */
export function thresholdInterval(pairs: readonly ScoredPair[], precision: number, random: () => number, resamples = 200): { low: number; high: number } | undefined {
  const sorted = pairs.toSorted(descending);
  const thresholds: number[] = [];
  for (let sample = 0; sample < resamples; sample++) {
    const times = new Uint32Array(sorted.length);
    for (let drawn = 0; drawn < sorted.length; drawn++) times[Math.floor(random() * sorted.length)]++;
    const outcome = sweep(sorted, precision, (index) => times[index]);
    if (outcome) thresholds.push(outcome.threshold);
  }
  if (thresholds.length < 0.95 * resamples) return undefined;
  thresholds.sort((a, b) => a - b);
  const at = (share: number) => thresholds[Math.round(share * (thresholds.length - 1))];
  return { low: at(0.025), high: at(0.975) };
}

/** @param sorted best first. @param timesOf how often the pair at an index counts. */
function sweep(sorted: readonly ScoredPair[], precision: number, timesOf: (index: number) => number): Outcome | undefined {
  let [found, above] = [0, 0];
  let best: Omit<Outcome, 'matching'> | undefined;
  sorted.forEach(({ score, isMatch }, index) => {
    above += timesOf(index);
    if (isMatch) found += timesOf(index);
    if (sorted[index + 1]?.score === score) return; // A threshold cannot part equal scores.
    if (found > (best?.found ?? 0) && found / above >= precision) best = { threshold: score, found, above };
  });
  return best && { ...best, matching: found };
}

const descending = (a: ScoredPair, b: ScoredPair) => b.score - a.score;
