/**
 * All near-duplicate pairs of 100,000 vectors, and of real texts: `npm run bench:duplicates -w bench`. Ours beside a loop of searches,
 * each for the 10 most similar, through Qdrant Edge: the loop is timed on a sample and multiplied, and its recall is that of the sample.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { seededRandom } from '@touchstone/runtime/random';
import { CollectionIndex } from '../../services/retrieval/src/index/collection-index.ts';
import { gaussian, normalised } from '../../services/retrieval/src/index/random-vectors.ts';
import { Scanner } from '../../services/retrieval/src/index/scanner.ts';
import { dimension, workload } from '../index/synthetic.ts';
import { qdrantEdge } from '../retrieval/qdrant-edge.ts';
import { realTexts } from '../retrieval/workloads.ts';

const seed = 20_261_124;
const threshold = 0.95;
const rounds = 5;
const sampled = 500;
/** `npm run bench:duplicates -w bench -- 100000 alone` leaves the peer out, whose build takes minutes. */
const [size = '100000', alone] = process.argv.slice(2);
const count = Number(size);

/** The synthetic law of bench/index, and one vector in 50 is another one again, a little or much changed. */
function collection(): Float32Array[] {
  const random = seededRandom(seed);
  const { vectors } = workload(count, 0, seed);
  return vectors.map((vector, at) => {
    if (at % 50 !== 0) return vector;
    const of = vectors[Math.floor(random() * count)];
    const spread = (random() * 0.45) / Math.sqrt(dimension);
    return normalised(of.map((value) => value + spread * gaussian(random)));
  });
}

const idOf = (row: number) => String(row).padStart(7, '0');

async function ours(vectors: readonly Float32Array[], workers: number) {
  const dimension = vectors[0].length;
  const scanner = await Scanner.start({ workers });
  const index = new CollectionIndex(scanner, new Map([['text', { dimension }]]));
  vectors.forEach((vector, row) => index.upsert({ id: idOf(row), fields: {}, parts: [{ space: 'text', kinds: ['text'], part: 0, vector }] }));
  await index.search({ space: 'text', vector: vectors[0], limit: 1 });

  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  const heldUpMs: number[] = [];
  let found: [number, number][] = [];
  for (let round = 0; round < rounds; round++) {
    found = [];
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const cpu = process.cpuUsage();
    const start = performance.now();
    const pairs = index.pairs('text', 'text', threshold);
    const blocks = pairs.blocks();
    for (const block of blocks.keys()) await pairs.find(blocks, block, ({ a, b }) => found.push([Number(a.id), Number(b.id)]));
    pairs.close();
    seconds.push((performance.now() - start) / 1000);
    const { user, system } = process.cpuUsage(cpu);
    cpuSeconds.push((user + system) / 1e6);
    delay.disable();
    heldUpMs.push(delay.max / 1e6);
  }
  index.close();
  await scanner.close();
  return { seconds, cpuSeconds, heldUpMs, found };
}

/** Pairs of these rows with any other, by a loop in double precision. */
function truth(vectors: readonly Float32Array[], rows: readonly number[]): [number, number][] {
  return rows.flatMap((row) =>
    vectors.flatMap((other, at): [number, number][] => {
      let score = 0;
      for (let i = 0; i < other.length; i++) score += vectors[row][i] * other[i];
      return at !== row && score >= threshold ? [[Math.min(row, at), Math.max(row, at)]] : [];
    }),
  );
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];
const keyOf = ([a, b]: readonly number[]) => `${a}-${b}`;

function recall(found: Iterable<readonly [number, number]>, expected: readonly [number, number][]): number {
  const keys = new Set([...found].map(keyOf));
  return expected.filter((pair) => keys.has(keyOf(pair))).length / expected.length;
}

const rounded = (value: number) => Number(value.toPrecision(3));

async function measured(name: string, vectors: readonly Float32Array[], workers: number, expected: readonly [number, number][]) {
  const { seconds, cpuSeconds, heldUpMs, found } = await ours(vectors, workers);
  const row = {
    ...{ vectors: `${name}, ${vectors.length} x ${vectors[0].length}`, engine: `touchstone, ${workers} ${workers === 1 ? 'thread' : 'threads'}`, pairs: found.length, recall: recall(found, expected) },
    ...{ seconds: rounded(median(seconds)), range: [Math.min(...seconds), Math.max(...seconds)].map(rounded), cpuSeconds: rounded(median(cpuSeconds)), heldUpMs: rounded(median(heldUpMs)) },
  };
  console.log(row);
  return row;
}

const vectors = collection();
const random = seededRandom(7);
const sample = Array.from({ length: sampled }, (_, index) => (index % 2 === 0 ? 50 * Math.floor((random() * count) / 50) : Math.floor(random() * count)));
const expected = truth(vectors, sample);

const results: object[] = [];
for (const workers of [2, 1]) results.push(await measured('synthetic', vectors, workers, expected));
const texts = await realTexts(1000, 1_000_000).catch((error: Error) => void console.error(`${error.message} Going on without them.`));
if (texts) results.push(await measured('real texts', texts.vectors, 2, truth(texts.vectors, sample.filter((row) => row < texts.vectors.length).slice(0, 100))));
const peer = alone ? undefined : await qdrantEdge({ name: 'pairs', dimension, vectors, queries: vectors }).catch((error: Error) => void console.error(`${error.message} Going on without it.`));
if (peer) {
  const ingest = await peer.ingest();
  await peer.run(sample.slice(0, 50), undefined, peer.standard);
  const { ms, hits } = await peer.run(sample, undefined, peer.standard);
  const found = hits.flatMap((rows, at) => rows.filter((row) => row !== sample[at]).map((row): [number, number] => [Math.min(row, sample[at]), Math.max(row, sample[at])]));
  const mean = ms.reduce((sum, each) => sum + each, 0) / ms.length;
  results.push({ vectors: 'synthetic', engine: peer.name, buildSeconds: rounded(ingest.seconds), searchMs: { mean: rounded(mean), p50: rounded(median(ms)) }, secondsInAll: rounded((mean * count) / 1000), recall: rounded(recall(found, expected)) });
  console.log(results.at(-1));
  await peer.close();
}
const report = { command: 'npm run bench:duplicates -w bench', machine: `${cpus()[0].model}, ${availableParallelism()} cores`, load: loadavg().map((load) => load.toFixed(1)).join(' '), node: process.version, seed, count, dimension, threshold, sampled, truePairsOfSample: expected.length, results };
await mkdir(new URL('../results/', import.meta.url), { recursive: true });
await writeFile(new URL('../results/duplicates.json', import.meta.url), `${JSON.stringify(report, undefined, 2)}\n`);
