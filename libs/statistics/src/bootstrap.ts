/** Percentile bootstrap: Efron, Tibshirani: An Introduction to the Bootstrap, 1993, section 13.3. */

/** An estimate, and the limits between which its true value lies with some confidence. */
export interface Interval {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

export interface BootstrapOptions {
  /** In [0, 1); its seed decides the interval. */
  readonly random: () => number;
  /** In (0, 1); 0.95 when absent. */
  readonly confidence?: number;
  /** Samples that are drawn; 1,000 when absent, which a limit of 95 % needs. */
  readonly resamples?: number;
}

/**
 * The mean of a sample and its percentile interval. It is a little too short for fewer than some 30 values.
 *
 * @param sample independent values, at least 1.
 * @throws RangeError for an empty sample or a confidence outside (0, 1).
 */
export function bootstrapInterval(sample: readonly number[], { random, confidence = 0.95, resamples = 1000 }: BootstrapOptions): Interval {
  const size = sample.length;
  if (size === 0) throw new RangeError('sample: expected at least one value');
  if (!(confidence > 0 && confidence < 1)) throw new RangeError(`confidence: expected a number between 0 and 1, got ${confidence}`);

  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let drawn = 0; drawn < size; drawn++) sum += sample[Math.floor(random() * size)];
    return sum / size;
  }).sort();
  return {
    estimate: sample.reduce((sum, value) => sum + value, 0) / size,
    lower: quantile(means, (1 - confidence) / 2),
    upper: quantile(means, (1 + confidence) / 2),
  };
}

/** Between two values linear: definition 7 of Hyndman and Fan, The American Statistician 50 (1996). */
function quantile(sorted: Float64Array, share: number): number {
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
