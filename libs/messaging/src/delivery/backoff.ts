import type { RetryPolicy } from '@touchstone/runtime/retry';

/** About two minutes in all: longer than the restart of a database or a peer. */
export const defaultRetryPolicy: RetryPolicy = { attempts: 10, firstDelayMs: 250, maximumDelayMs: 30_000 };
