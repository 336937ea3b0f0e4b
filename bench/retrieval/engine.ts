export const limit = 10;

/** A filter `of<share>` = 0 leaves one row in so many; each row has the field, its number modulo the share. */
export const shares = [2, 10, 100, 1000, 10_000] as const;

export interface Workload {
  readonly name: string;
  readonly dimension: number;
  readonly vectors: readonly Float32Array[];
  readonly queries: readonly Float32Array[];
}

export interface Run {
  /** One duration for each query. */
  readonly ms: readonly number[];
  /** Positions of the hits in the workload's vectors, best first. */
  readonly hits: readonly (readonly number[])[];
}

export interface Ingest {
  /** Until everything is found, with every index built. */
  readonly seconds: number;
  readonly bytesPerVector: number;
  readonly bytesAre: string;
}

/** Something that searches the workload, alone in its turn. */
export interface Engine {
  readonly name: string;
  /** How hard it looks: what it takes from smallest to largest; an exact engine has one. */
  readonly settings: readonly number[];
  /** What it does when nobody sets anything. */
  readonly standard: number;
  readonly settingIs: string;
  /** Queries that are measured in a round; less of an engine that takes its time. */
  readonly queriesPerRound: number;
  ingest(): Promise<Ingest>;
  /** Searches with the queries of these positions, one after the other; without a share there is no filter. */
  run(queries: readonly number[], share: number | undefined, setting: number): Promise<Run>;
  /** The same hits without a clock, where many queries at a time are cheaper: for choosing a setting. */
  hits?(queries: readonly number[], share: number | undefined, setting: number): Promise<Run['hits']>;
  /** Unfiltered searches of many queries in one call, where an engine has that: what a loop over all rows would use. */
  together?(queries: readonly number[]): Promise<unknown>;
  close(): Promise<void>;
}

export const fieldsOf = (row: number): Record<string, number> => Object.fromEntries(shares.map((share) => [`of${share}`, row % share]));

/** Times each call by the clock of this process. */
export async function timed(queries: readonly number[], search: (query: number) => Promise<readonly number[]> | readonly number[]): Promise<Run> {
  const ms: number[] = [];
  const hits: (readonly number[])[] = [];
  for (const query of queries) {
    const start = performance.now();
    const found = await search(query);
    ms.push(performance.now() - start);
    hits.push(found);
  }
  return { ms, hits };
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
