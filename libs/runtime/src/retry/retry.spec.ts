import { expect, it } from 'vitest';
import { retryDelay } from './index.ts';

const policy = { attempts: 6, firstDelayMs: 100, maximumDelayMs: 500 };

it.each([
  [1, 50, 100],
  [2, 100, 200],
  [3, 200, 400],
  [4, 250, 500],
  [5, 250, 500],
])('after %d failures waits %d to %d ms', (attempts, shortest, longest) => {
  expect(retryDelay(attempts, policy, () => 0)).toBe(shortest);
  expect(retryDelay(attempts, policy, () => 1)).toBe(longest);
});

it('gives up with the last attempt', () => {
  expect(retryDelay(6, policy, () => 0)).toBeUndefined();
});
