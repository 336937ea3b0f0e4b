/**
 * Our index and our whole call beside Qdrant Edge, pgvector, Milvus, zvec and usearch: `npm run bench:retrieval -w bench`, about a
 * quarter of an hour on a quiet machine; `-- --quick` takes some minutes. Parts and engines can be chosen:
 * `-- --parts 20000,100000,real,pairs,changes --only ours,qdrant`. Recall stands beside every speed; a peer that fails is named.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type Engine, limit, seconds, shares, type Workload } from './engine.ts';
import { afterChanges, type Fresh, fresh, ingests } from './freshness.ts';
import { build, type Built, compare, failed, type Failure, machine, type Row, rounds } from './measure.ts';
import { bareIndex } from './ours.ts';
import { allPairs, type Pairs, type Together } from './pairs.ts';
import { selectivityCurves } from './curves.ts';
import { nameOfSynthetic, realTexts, synthetic } from './workloads.ts';
import { wholeCall } from './whole-call.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, parts: { type: 'string' }, only: { type: 'string' }, output: { type: 'string' }, 'real-rows': { type: 'string' } },
});
const seed = 20_260_724;
const queryCount = rounds * 40;
const parts = (values.parts ?? (values.quick ? '20000,real,pairs,changes' : '20000,100000,pairs,real,changes')).split(',');
const realRows = Number(values['real-rows'] ?? (values.quick ? 5_000 : 20_000));
const largest = Math.max(...parts.map(Number).filter(Number.isFinite), 0);

/** Short names for `--only`, in the order in which they are built; ours first, they set the recall. */
const engines: Readonly<Record<string, (workload: Workload) => Promise<Engine>>> = {
  ours: (workload) => bareIndex(workload, 1),
  'ours-2': (workload) => bareIndex(workload, 2),
  whole: wholeCall,
  qdrant: async (workload) => (await import('./qdrant-edge.ts')).qdrantEdge(workload),
  pgvector: async (workload) => (await import('./pgvector.ts')).pgvector(workload),
  milvus: async (workload) => (await import('./milvus.ts')).milvus(workload, 20),
  'milvus-200': async (workload) => (await import('./milvus.ts')).milvus(workload, 200),
  zvec: async (workload) => (await import('./zvec.ts')).zvec(workload),
  usearch: async (workload) => (await import('./usearch.ts')).usearch(workload),
};
const chosen = values.only?.split(',') ?? Object.keys(engines);
const unknown = chosen.find((name) => !(name in engines));
if (unknown) throw new Error(`--only: expected some of ${Object.keys(engines).join(', ')}, got ${unknown}.`);

const rows: Row[] = [];
const freshness: (Fresh & { readonly workload: string })[] = [];
const together: Together[] = [];
const memory: { workload: string; engine: string; bytesPerVector: number; are: string }[] = [];
const failures: Failure[] = [];
const begun = performance.now();
const machineBefore = machine();
let pairs: Pairs | undefined;
let changes: Awaited<ReturnType<typeof afterChanges>> | undefined;

for (const part of parts) {
  if (part === 'changes') {
    changes = await afterChanges(synthetic(values.quick ? 5_000 : 20_000, queryCount, seed));
    continue;
  }
  if (part === 'pairs') {
    pairs = await allPairs(synthetic(largest || 20_000, queryCount, seed), rows, together, seed);
    continue;
  }
  let workload: Workload;
  try {
    workload = part === 'real' ? await realTexts(queryCount, realRows) : synthetic(Number(part), queryCount, seed);
  } catch (error) {
    failures.push(failed('the texts', { name: part } as Workload, error));
    continue;
  }
  const here = chosen.filter((name) => name !== 'milvus-200' || (Number(part) <= 20_000 && !values.quick));
  const built = await build(workload, here.map((name) => [name, () => engines[name](workload)]), failures);
  try {
    const isCurve = Number(part) === largest;
    rows.push(...(await compare(workload, built, isCurve ? [undefined, ...shares] : [undefined, 10], failures)));
    freshness.push(...ingests(built, workload).map((each) => ({ workload: workload.name, ...each })));
    for (const { engine } of built) {
      if (!engine.together) continue;
      const queries = Array.from({ length: queryCount }, (_, query) => query);
      const took = await seconds(() => engine.together!(queries)).catch((error) => void failures.push(failed(`${engine.name}, many in one call`, workload, error)));
      if (took !== undefined) together.push({ workload: workload.name, engine: engine.name, setting: `${queryCount} in one call, timed once`, msEach: (1000 * took) / queryCount });
    }
    await upserts(workload, built);
    for (const { engine, ingest } of built) if (!Number.isNaN(ingest.bytesPerVector)) memory.push({ workload: workload.name, engine: engine.name, bytesPerVector: Math.round(ingest.bytesPerVector), are: ingest.bytesAre });
  } finally {
    for (const { engine } of built) await engine.close().catch((error) => console.error(`${engine.name} does not close: ${error}`));
  }
  show(workload);
  await save();
}
await save();

async function upserts(workload: Workload, built: readonly Built[]): Promise<void> {
  const whole = built.map(({ engine }) => engine).find((engine) => 'upsertSeconds' in engine) as Awaited<ReturnType<typeof wholeCall>> | undefined;
  if (!whole || workload.vectors.length > 20_000) return;
  const count = Math.min(2_000, workload.vectors.length);
  try {
    freshness.push({ workload: workload.name, ...fresh('Touchstone, items:upsert, 100 a call, each durable and found', await whole.upsertSeconds(count), count) });
  } catch (error) {
    failures.push(failed('items:upsert', workload, error));
  }
}

/** After each part, so that a run that is cut short has left what it measured. */
async function save(): Promise<void> {
  const report = {
    command: `npm run bench:retrieval -w bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`,
    date: new Date().toISOString().slice(0, 10),
    machine: { before: machineBefore, after: machine() },
    seconds: Math.round((performance.now() - begun) / 1000),
    method: `recall@${limit} against exact float; p50 is the median of ${rounds} interleaved rounds' medians; a client at a time; Qdrant Edge is timed in its own process; the whole call after 2,000 searches`,
    seed,
    failures,
    rows,
    freshness,
    memory,
    pairs,
    changes,
    ratios: [...new Set(rows.map(({ workload }) => workload))].map((workload) => ({ workload, ratios: ratios(workload) })),
  };
  const file = values.output ?? new URL(`../results/retrieval${values.quick ? '-quick' : ''}.json`, import.meta.url);
  await mkdir(new URL('../results/', import.meta.url), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  const curveRows = rows.filter(({ workload }) => largest > 0 && workload === nameOfSynthetic(largest));
  if (curveRows.length > 0 && !values.output) {
    const title = `One search of ${largest.toLocaleString('en')} vectors x 256 under a filter, ${report.machine.before.cores} cores`;
    await writeFile(new URL(`../../docs/retrieval-selectivity${values.quick ? '-quick' : ''}.svg`, import.meta.url), selectivityCurves(curveRows, title));
  }
}

/** p50 of ours as a share of each peer's, where the peer has its best or our recall. */
function ratios(workload: string): string[] {
  const own = rows.filter((row) => row.workload === workload);
  return [...new Set(own.map(({ filter }) => filter))].flatMap((filter) => {
    const here = own.filter((row) => row.filter === filter);
    const others = here.filter(({ engine }) => !engine.startsWith('Touchstone'));
    const peers = others.filter(({ engine, chosen }) => chosen !== 'standard' || !others.some((other) => other.engine === engine && other.chosen !== 'standard'));
    return here.filter(({ engine }) => engine.startsWith('Touchstone')).map((ours) =>
      `filter ${filter}, ${ours.engine}: ${peers.map((peer) => `${(ours.p50Ms / peer.p50Ms).toFixed(2)} x ${peer.engine} (${peer.chosen}, recall ${peer.recall})`).join('; ')}`);
  });
}

function show({ name }: Workload): void {
  console.table(rows.filter(({ workload }) => workload === name).map(({ workload, share, ...row }) => row));
  console.table(freshness.filter(({ workload }) => workload === name).map(({ workload, ...row }) => row));
  console.table(memory.filter(({ workload }) => workload === name).map(({ workload, ...row }) => row));
  console.log(ratios(name).join('\n'));
}

if (pairs) console.log(`all pairs of ${pairs.vectors} vectors at ${pairs.threshold}: ${pairs.seconds} s, ${pairs.pairs} pairs, recall ${pairs.recall} on a sample; ${pairs.loops.map((loop) => `a search for each row, ${loop.engine}, ${loop.setting}: ${loop.seconds} s, multiplied`).join('; ')}`);
if (changes) console.log(`after ${changes.updates} updates: recall ${changes.recall}, ${changes.lateFinds} writes not found by the next search; ${changes.deletedHits} of ${changes.deletes} deleted items found`);
for (const { engine, workload, error } of failures) console.log(`FAILED: ${engine}, ${workload}: ${error}`);
console.log(`${Math.round((performance.now() - begun) / 1000)} s`);
process.exitCode = failures.length > 0 ? 1 : 0;
