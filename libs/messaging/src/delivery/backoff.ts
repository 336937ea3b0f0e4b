/** How often and how patiently a failing event is tried. */
export interface RetryPolicy {
  /** Attempts before the event becomes a dead letter. */
  readonly attempts: number;
  /** Wait after the first failure; it doubles with each further one. */
  readonly firstDelayMs: number;
  readonly maximumDelayMs: number;
}

/** About two minutes in all: longer than the restart of a database or a peer. */
export const defaultRetryPolicy: RetryPolicy = { attempts: 10, firstDelayMs: 250, maximumDelayMs: 30_000 };

/**
 * Wait before the next attempt: exponential, capped, the upper half of it random, so that events which failed
 * together do not come back together.
 *
 * @param attempts failed so far, at least 1.
 * @param random in [0, 1).
 * @returns milliseconds, or undefined when the event has no attempt left.
 */
export function retryDelay(attempts: number, policy: RetryPolicy, random: () => number): number | undefined {
  if (attempts >= policy.attempts) return undefined;
  const delay = Math.min(policy.firstDelayMs * 2 ** (attempts - 1), policy.maximumDelayMs);
  return delay * (0.5 + random() / 2);
}
