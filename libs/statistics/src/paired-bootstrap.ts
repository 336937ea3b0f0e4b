/** Paired bootstrap: Koehn: Statistical Significance Tests for Machine Translation Evaluation, EMNLP 2004. */
import { bootstrapInterval, type BootstrapOptions, type Interval } from './bootstrap.ts';

/**
 * How much larger the mean of `second` is than that of `first`, both measured on the same things. What makes a thing hard
 * for both cancels out, so the interval is shorter than the difference of two intervals.
 *
 * @param first  n values.
 * @param second n values, aligned with `first`.
 * @throws RangeError when the lengths differ or are 0.
 */
export function pairedDifference(first: readonly number[], second: readonly number[], options: BootstrapOptions): Interval {
  if (first.length !== second.length) throw new RangeError(`expected pairs, got ${first.length} and ${second.length} values`);
  return bootstrapInterval(second.map((value, index) => value - first[index]), options);
}
