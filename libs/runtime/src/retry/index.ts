/** How often and how patiently what failed is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  /** Wait after the first failure; it doubles with each further one. */
  readonly firstDelayMs: number;
  readonly maximumDelayMs: number;
}

/**
 * Wait before the next attempt: exponential, capped, the upper half of it random, so that what failed together does
 * not come back together.
 *
 * @param attempts failed so far, at least 1.
 * @param random in [0, 1).
 * @returns milliseconds, or undefined when no attempt is left.
 */
export function retryDelay(attempts: number, policy: RetryPolicy, random: () => number): number | undefined {
  if (attempts >= policy.attempts) return undefined;
  const delay = Math.min(policy.firstDelayMs * 2 ** (attempts - 1), policy.maximumDelayMs);
  return delay * (0.5 + random() / 2);
}
