/**
 * The bare vector index beside usearch and Qdrant Edge: `npm run bench:index -w bench`. The engines take turns, round by round, on the
 * same queries, so that a busy machine is busy for all of them; recall stands beside every speed.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { type Engine, limit } from './engine.ts';
import { ours } from './ours.ts';
import { installQdrantEdge, qdrantEdge } from './qdrant-edge.ts';
import { shares, truth, type Workload, workload } from './synthetic.ts';
import { usearch } from './usearch.ts';

const seed = 20_260_724;
const rounds = 12;
const queriesPerRound = 50;
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [20_000, 100_000];
const filters = [
  { name: 'unfiltered', field: undefined },
  ...shares.map((share) => ({ name: `filter ${100 / share} %`, field: `of${share}` })),
];

/** p50 of the first engine, ours, as a share of each other engine's. */
function ratios(rows: readonly { filter: string; engine: string; p50Ms: number }[]): string {
  return filters
    .map(({ name }) => {
      const [first, ...others] = rows.filter(({ filter }) => filter === name);
      return `${name}: ${others.map(({ engine, p50Ms }) => `${(first.p50Ms / p50Ms).toFixed(2)} x ${engine}`).join('; ')}`;
    })
    .join('\n');
}

const quantile = (values: readonly number[], share: number) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

/** Milliseconds of a fixed piece of arithmetic: how much they vary is how much the machine does. */
function noise(): number {
  const start = performance.now();
  let sum = 0;
  for (let i = 1; i < 4_000_000; i++) sum += 1 / i;
  if (sum < 0) throw new Error('impossible');
  return performance.now() - start;
}

function recall(found: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  const recalls = found.map((hits, query) => expected[query].filter((hit) => hits.includes(hit)).length / expected[query].length);
  return recalls.reduce((sum, share) => sum + share, 0) / recalls.length;
}

async function compare(data: Workload, engines: readonly Engine[]) {
  const ingests = new Map<string, Awaited<ReturnType<Engine['ingest']>>>();
  for (const engine of engines) ingests.set(engine.name, await engine.ingest(data));

  const noises: number[] = [];
  const measured = filters.flatMap((filter) => engines.map((engine) => ({ filter, engine, ms: [] as number[], hits: [] as (readonly number[])[] })));
  for (const { engine, filter } of measured) await engine.run(data.queries.slice(0, queriesPerRound), filter.field);
  for (let round = 0; round < rounds; round++) {
    noises.push(noise());
    const queries = data.queries.slice(round * queriesPerRound, (round + 1) * queriesPerRound);
    for (const each of round % 2 === 0 ? measured : measured.toReversed()) {
      const { ms, hits } = await each.engine.run(queries, each.filter.field);
      each.ms.push(...ms);
      each.hits.push(...hits);
    }
  }
  const expected = new Map(filters.map((filter) => [filter, truth(data, filter.field, limit)]));
  const rows = measured.map(({ filter, engine, ms, hits }) => ({
    vectors: data.vectors.length,
    filter: filter.name,
    engine: engine.name,
    recall: Number(recall(hits, expected.get(filter)!).toFixed(4)),
    /** Queries that got as many as there are, up to the limit. */
    full: Number((hits.filter((found, query) => found.length >= expected.get(filter)![query].length).length / hits.length).toFixed(4)),
    p50Ms: Number(quantile(ms, 0.5).toFixed(3)),
    p99Ms: Number(quantile(ms, 0.99).toFixed(3)),
    ingestSeconds: Number(ingests.get(engine.name)!.seconds.toFixed(2)),
    bytesPerVector: Math.round(ingests.get(engine.name)!.bytesPerVector),
    bytesAre: ingests.get(engine.name)!.bytesAre,
  }));
  const machine = { noiseMs: { min: quantile(noises, 0).toFixed(1), p50: quantile(noises, 0.5).toFixed(1), max: quantile(noises, 1).toFixed(1) }, load: loadavg().map((load) => load.toFixed(1)).join(' ') };
  return { rows, machine };
}

const qdrant = await installQdrantEdge().catch((cause: Error) => {
  console.error(`${cause.message} Going on without it.`);
  return undefined;
});
const results: Awaited<ReturnType<typeof compare>>[] = [];
try {
  for (const size of sizes) {
    const data = workload(size, rounds * queriesPerRound, seed);
    const engines = [await ours({ workers: 2, isInFile: true }), await ours({ workers: 1, isInFile: true }), await ours({ workers: 1, isInFile: false }), usearch(), ...(qdrant ? [await qdrantEdge(qdrant.python, data)] : [])];
    const result = await compare(data, engines);
    for (const engine of engines) await engine.close();
    results.push(result);
    console.table(result.rows.map(({ bytesAre, ...row }) => row));
    console.log(ratios(result.rows));
    const { noiseMs, load } = result.machine;
    console.log(`noise: the same arithmetic took ${noiseMs.min} to ${noiseMs.max} ms, median ${noiseMs.p50}; load ${load}`);
  }
} finally {
  await qdrant?.remove();
}
const report = { command: 'npm run bench:index -w bench', machine: `${cpus()[0].model}, ${availableParallelism()} cores`, node: process.version, seed, queries: rounds * queriesPerRound, limit, results };
await mkdir(new URL('../results/', import.meta.url), { recursive: true });
await writeFile(new URL('../results/index.json', import.meta.url), `${JSON.stringify(report, undefined, 2)}\n`);
