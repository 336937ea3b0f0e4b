import type { Fault } from './faults.ts';
import type { Mistake, Violation } from './store.ts';

export interface HistoryOptions {
  readonly seed: number;
  readonly transport: 'local' | 'kafka';
  readonly events: number;
  readonly faults: readonly Fault[];
  /** Share of answers of database and broker that are lost. */
  readonly lossRate: number;
  readonly mistake?: Mistake;
}

export interface History {
  readonly violation?: Violation;
  /** `process: step`, in order. */
  readonly trace: readonly string[];
  readonly operations: number;
  /** How often an operation went from one worker to the next. */
  readonly takeovers: number;
}
