import { retryDelay } from '@touchstone/runtime/retry';
import { expect, it } from 'vitest';
import { defaultRetryPolicy } from './backoff.ts';

it('waits between one and two minutes in all by default', () => {
  const total = (random: number) => Array.from({ length: defaultRetryPolicy.attempts - 1 }, (_, index) => retryDelay(index + 1, defaultRetryPolicy, () => random)!).reduce((sum, delay) => sum + delay);
  expect(total(0)).toBeGreaterThan(45_000);
  expect(total(1)).toBeLessThan(120_000);
});
