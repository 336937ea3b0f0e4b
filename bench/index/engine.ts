import type { Workload } from './synthetic.ts';

export const limit = 10;

export interface Run {
  /** One duration for each query. */
  readonly ms: readonly number[];
  /** Positions of the hits in the workload's vectors, best first. */
  readonly hits: readonly (readonly number[])[];
}

/** Something that searches the workload, alone in its turn. */
export interface Engine {
  readonly name: string;
  /** @returns seconds until everything is searchable, and what a vector costs, with how that was found. */
  ingest(workload: Workload): Promise<{ seconds: number; bytesPerVector: number; bytesAre: string }>;
  /** Searches with every query, one after the other; with a field only vectors that have 1 there. */
  run(queries: readonly Float32Array[], field: string | undefined): Promise<Run>;
  close(): Promise<void>;
}
