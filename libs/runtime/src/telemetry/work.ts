import { AsyncLocalStorage } from 'node:async_hooks';
import type { SpanContext } from './traceparent.ts';

/** What running code is part of: it names log lines, and spans have their parent from it. */
export interface Work {
  /** The service that works, such as `retrieval`. */
  readonly service?: string;
  readonly requestId?: string;
  /** Set while there is a trace, recorded or not. */
  readonly span?: SpanContext;
}

const storage = new AsyncLocalStorage<Work>();
const none: Work = {};

export const currentWork = (): Work => storage.getStore() ?? none;

/** Runs something as part of this work; what is not named stays as it is outside. */
export function within<T>(work: Work, run: () => T): T {
  return storage.run({ ...storage.getStore(), ...work }, run);
}
