/** Score interval of a proportion: Wilson, Journal of the American Statistical Association 22 (1927), 209–212. */
import type { Interval } from './bootstrap.ts';
import { normalQuantile } from './normal-quantile.ts';

/**
 * The share of successes with its interval, which stays within 0 and 1 and is right for few trials too.
 *
 * @param successes 0 to `trials`.
 * @param trials    at least 1.
 * @throws RangeError for other numbers, or a confidence outside (0, 1).
 */
export function wilsonInterval(successes: number, trials: number, confidence = 0.95): Interval {
  if (!(trials >= 1)) throw new RangeError(`trials: expected at least 1, got ${trials}`);
  if (!(successes >= 0 && successes <= trials)) throw new RangeError(`successes: expected 0 to ${trials}, got ${successes}`);
  const z = normalQuantile((1 + confidence) / 2);
  const estimate = successes / trials;
  const weight = 1 + z ** 2 / trials;
  const centre = (estimate + z ** 2 / (2 * trials)) / weight;
  const half = (z / weight) * Math.sqrt((estimate * (1 - estimate)) / trials + z ** 2 / (4 * trials ** 2));
  // At the ends the limit is exactly 0 or 1; rounding must not put it beyond.
  return { estimate, lower: successes === 0 ? 0 : centre - half, upper: successes === trials ? 1 : centre + half };
}
