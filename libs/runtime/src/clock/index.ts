import { setTimeout } from 'node:timers/promises';

/** Time as long-lived parts see it, so that a test or a simulation can move it. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  wait: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => undefined),
};

export { ManualClock } from './manual-clock.ts';
