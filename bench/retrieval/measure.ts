import { availableParallelism, cpus, loadavg } from 'node:os';
import { type Engine, type Ingest, limit, type Run, type Workload } from './engine.ts';
import { truth } from './workloads.ts';

export const rounds = 5;
/** Queries on which a peer's setting is chosen. */
const tuningQueries = 30;
/** A peer reaches our recall when it lacks no more than this. */
const tolerance = 0.0005;

export interface Row {
  readonly workload: string;
  readonly filter: string;
  readonly share?: number;
  readonly engine: string;
  /** `standard`, or the smallest that reaches our recall, or the best when none does. */
  readonly chosen: string;
  readonly setting: string;
  readonly recall: number;
  /** Median of the rounds' medians. */
  readonly p50Ms: number;
  /** Of all rounds together. */
  readonly p99Ms: number;
  /** Searches that gave fewer hits than there are. */
  readonly short: number;
}

export interface Built {
  readonly engine: Engine;
  readonly ingest: Ingest;
}

/** What became of a peer that is not there, in words. */
export interface Failure {
  readonly engine: string;
  readonly workload: string;
  readonly error: string;
}

interface Candidate {
  readonly built: Built;
  readonly share: number | undefined;
  readonly setting: number;
  readonly chosen: string;
  readonly runs: Run[];
}

/** Builds one after the other; one that fails is told and left out. */
export async function build(workload: Workload, engines: readonly [string, () => Promise<Engine>][], failures: Failure[]): Promise<Built[]> {
  const built: Built[] = [];
  for (const [name, open] of engines) {
    let engine: Engine | undefined;
    try {
      const start = performance.now();
      engine = await open();
      built.push({ engine, ingest: await engine.ingest() });
      console.error(`${workload.name}: ${engine.name} is built, ${Math.round((performance.now() - start) / 1000)} s`);
    } catch (error) {
      failures.push(failed(name, workload, error));
      await engine?.close().catch(() => undefined);
    }
  }
  return built;
}

export function failed(engine: string, { name: workload }: Workload, error: unknown): Failure {
  console.error(`FAILED: ${engine}, ${workload}: ${(error as Error).stack ?? error}`);
  return { engine, workload, error: (error as Error).message };
}

/** Our engines first: their recall is what the peers have to reach. The engines take turns, round by round, on the same queries. */
export async function compare(workload: Workload, all: readonly Built[], filters: readonly (number | undefined)[], failures: Failure[]): Promise<Row[]> {
  const known = new Map<string, number[]>();
  const expected = (query: number, share: number | undefined) => {
    const key = `${query} ${share}`;
    if (!known.has(key)) known.set(key, truth(workload, query, share));
    return known.get(key)!;
  };
  const recallOf = (queries: readonly number[], share: number | undefined, hits: Run['hits']) =>
    mean(queries.map((query, at) => {
      const wanted = expected(query, share);
      return wanted.filter((row) => hits[at].includes(row)).length / wanted.length;
    }));

  const candidates: Candidate[] = [];
  const gone = new Set<Engine>();
  const tell = (engine: Engine, error: unknown) => {
    gone.add(engine);
    failures.push(failed(engine.name, workload, error));
  };
  for (const share of filters) {
    let target = 1;
    for (const built of all) {
      const { engine } = built;
      if (gone.has(engine)) continue;
      try {
        const queries = range(0, tuningQueries);
        const hitsAt = async (setting: number) => (engine.hits ? engine.hits(queries, share, setting) : (await engine.run(queries, share, setting)).hits);
        const recallAt = async (setting: number) => recallOf(queries, share, await hitsAt(setting));
        const ofStandard = await recallAt(engine.standard); // warms up, too
        candidates.push({ built, share, setting: engine.standard, chosen: engine.settings.length > 1 ? 'standard' : 'exact', runs: [] });
        if (engine.settings.length === 1) {
          target = Math.min(target, ofStandard);
          continue;
        }
        const tries: { setting: number; recall: number }[] = [];
        for (const setting of engine.settings) {
          tries.push({ setting, recall: await recallAt(setting) });
          if (tries.at(-1)!.recall >= target - tolerance) break;
        }
        const reached = tries.at(-1)!.recall >= target - tolerance;
        const { setting } = reached ? tries.at(-1)! : tries.reduce((best, other) => (other.recall > best.recall ? other : best));
        if (setting !== engine.standard) candidates.push({ built, share, setting, chosen: reached ? 'our recall' : 'best it has', runs: [] });
      } catch (error) {
        tell(engine, error);
      }
    }
  }
  for (let round = 0; round < rounds; round++) {
    const inTurn = round % 2 === 0 ? candidates : candidates.toReversed();
    for (const { built: { engine }, share, setting, runs } of inTurn) {
      if (gone.has(engine)) continue;
      try {
        runs.push(await engine.run(range(round * engine.queriesPerRound, engine.queriesPerRound), share, setting));
      } catch (error) {
        tell(engine, error);
      }
    }
    console.error(`${workload.name}: round ${round + 1} of ${rounds}, noise ${noise().toFixed(1)} ms`);
  }
  return candidates
    .filter(({ built }) => !gone.has(built.engine))
    .map(({ built: { engine }, share, setting, chosen, runs }) => {
      const recalls = runs.map(({ hits }, round) => recallOf(range(round * engine.queriesPerRound, engine.queriesPerRound), share, hits));
      const wanted = Math.min(limit, Math.ceil(workload.vectors.length / (share ?? 1)));
      return {
        workload: workload.name,
        filter: share === undefined ? 'none' : `${100 / share} %`,
        share,
        engine: engine.name,
        chosen,
        setting: engine.settings.length > 1 ? `${engine.settingIs} ${setting || 'as it comes'}` : engine.settingIs,
        recall: Number(mean(recalls).toFixed(4)),
        p50Ms: Number(quantile(runs.map(({ ms }) => quantile(ms, 0.5)), 0.5).toFixed(3)),
        p99Ms: Number(quantile(runs.flatMap(({ ms }) => ms), 0.99).toFixed(3)),
        short: runs.flatMap(({ hits }) => hits).filter((hits) => hits.length < wanted).length,
      };
    });
}

/** Milliseconds of a fixed piece of arithmetic: how much they vary is how much the machine does. */
export function noise(): number {
  const start = performance.now();
  let sum = 0;
  for (let i = 1; i < 4_000_000; i++) sum += 1 / i;
  if (sum < 0) throw new Error('impossible');
  return performance.now() - start;
}

export const machine = () => ({ cpu: cpus()[0].model, cores: availableParallelism(), node: process.version, load: loadavg().map((load) => load.toFixed(1)).join(' '), noiseMs: noise().toFixed(1) });

export const quantile = (values: readonly number[], share: number): number => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const range = (start: number, length: number): number[] => Array.from({ length }, (_, at) => start + at);
