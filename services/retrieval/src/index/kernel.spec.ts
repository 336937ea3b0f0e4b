import { seededRandom } from '@touchstone/runtime/random';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { FloatVectors, innerProduct } from './float-vectors.ts';
import { headWidth, paddedWidth, quantiseQuery, quantiseRow, rowFigures } from './quantisation.ts';
import { ScanJobs } from './scan-job.ts';
import { normalised, unitVector } from './random-vectors.ts';
import { SpaceRows } from './space-rows.ts';

const wasm = await readFile(new URL('../../kernel/scan.wasm', import.meta.url));

it.each(['scan', 'pairs'])('is what `npm run wasm` makes of %s.ts', async (name) => {
  const folder = await mkdtemp(join(tmpdir(), 'scan-'));
  try {
    const require = createRequire(import.meta.url);
    const file = (name: string) => fileURLToPath(new URL(`../../kernel/${name}`, import.meta.url));
    const asc = join(require.resolve('assemblyscript/package.json'), '../bin/asc.js');
    await promisify(execFile)(process.execPath, [asc, file(`${name}.ts`), '--config', file('asconfig.json'), '--outFile', join(folder, 'made.wasm')]);
    const committed = await readFile(file(`${name}.wasm`));
    expect(Buffer.compare(await readFile(join(folder, 'made.wasm')), committed), 'run `npm run wasm -w services/retrieval` and commit what it makes').toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** What the kernel should compute, as a plain loop over the same quantised figures. */
function bound(query: Float32Array, row: Float32Array): number {
  const width = paddedWidth(row.length);
  const values = new Int8Array(width);
  const scale = quantiseRow(row, values);
  const x = rowFigures(row, values, { scale, head: headWidth(row.length), prefix: row.length, length: 1 });
  const q = quantiseQuery(query);
  let product = 0;
  for (let i = 0; i < row.length; i++) product += (128 * q.planes[i] + q.planes[width + i] - 8192) * values[i];
  return x.scale * q.scale * product + q.norm * x.residual + q.error * Math.sqrt(x.headNorm ** 2 + x.tailNorm ** 2);
}

const seed = 7;

it.each([1, 5, 16, 17, 255, 256, 1000, 4096])('keeps the rows with the highest bounds, %d dimensions', (dimension) => {
  const arena = new Arena();
  const { scan } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: { memory: arena.memory } }).exports as { scan: (job: number) => void };
  const random = seededRandom(seed);
  const rows = new SpaceRows(arena, new FloatVectors(dimension));
  const vectors = Array.from({ length: 701 }, () => unitVector(dimension, random));
  vectors[1].fill(1); // with the queries of ones: the largest sums there are
  vectors[2].fill(-1);
  for (const vector of vectors) {
    rows.open();
    rows.add(0, 1, vector);
  }
  const dead = [3, 4, 250, 700];
  for (const row of dead) rows.kill(row);

  for (const query of [unitVector(dimension, random), new Float32Array(dimension).fill(1), new Float32Array(dimension).fill(-1)]) {
    const ranked = vectors.map((vector, row) => ({ row, bound: bound(query, vector) })).filter(({ row }) => !dead.includes(row));
    const odd = Uint32Array.from(vectors.keys()).filter((row) => row % 2 === 1);
    const middle = ranked.map(({ bound }) => bound).sort()[350];
    for (const list of [undefined, odd, odd.subarray(0, 3)]) {
      for (const [capacity, wanted, floor] of [[1, 1, -Infinity], [10, 10, -Infinity], [40, 3, -Infinity], [10, 10, middle], [1000, 1000, middle], [1000, 1000, -Infinity]]) {
        const readsHeads: boolean = dimension > 100 && (capacity + wanted + (list?.length ?? 0)) % 2 === 0;
        const count = list?.length ?? vectors.length;
        const jobs = new ScanJobs(arena, { ...rows.scanned(), list, count, query: quantiseQuery(query), capacity, wanted: Math.min(wanted, capacity), readsHeads, floor }, 2);
        scan(jobs.addressOf(0));
        scan(jobs.addressOf(1));
        const kept = jobs.kept();
        jobs.free();

        const candidates = ranked.filter(({ row }) => !list || list.includes(row));
        const bounds = new Map(candidates.map(({ row, bound }) => [row, bound]));
        const close = (actual: number, expected: number) => expect(Math.abs(actual - expected), `seed ${seed}`).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(expected)));
        expect(new Set(kept.rows).size).toBe(kept.rows.length);
        kept.rows.forEach((row, index) => close(kept.bounds[index], bounds.get(row)!));
        const above = candidates.filter((candidate) => candidate.bound > floor);
        if (floor === -Infinity) expect(kept.rows.length).toBeGreaterThanOrEqual(Math.min(wanted, above.length));
        expect(kept.bounds).toEqual(kept.bounds.toSorted().reverse());
        expect(kept.bounds.every((bound) => bound > floor)).toBe(true);
        // The head's bound may be the lower one: what counts is that the score of each row left out is below.
        const keptRows = new Set(kept.rows);
        for (const { row } of candidates) if (!keptRows.has(row)) expect(innerProduct(query, vectors[row])).toBeLessThanOrEqual(kept.leftOut + 1e-12);
        if (candidates.length === keptRows.size && floor === -Infinity && capacity === 1000) expect(kept.leftOut).toBe(-Infinity);
      }
    }
  }
});

it('reads the heads of more rows than one chunk has', () => {
  const dimension = 128;
  const count = 66_003;
  const arena = new Arena();
  const { scan } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: { memory: arena.memory } }).exports as { scan: (job: number) => void };
  const random = seededRandom(seed);
  const rows = new SpaceRows(arena, new FloatVectors(dimension));
  // The first values carry most, so that heads rule rows out.
  const draw = () => normalised(Float32Array.from({ length: dimension }, (_, at) => (random() - 0.5) / (at + 1)));
  const vectors = Array.from({ length: count }, draw);
  for (const vector of vectors) {
    rows.open();
    rows.add(0, 1, vector);
  }
  const query = draw();
  const scores = vectors.map((vector) => innerProduct(query, vector));
  const best = scores.toSorted((a, b) => b - a).slice(0, 10);
  const third = Uint32Array.from({ length: count / 3 }, (_, at) => 3 * at);
  for (const list of [undefined, third]) {
    const jobs = new ScanJobs(arena, { ...rows.scanned(), list, count: list?.length ?? count, query: quantiseQuery(query), capacity: 40, wanted: 10, readsHeads: true, floor: -Infinity }, 1);
    scan(jobs.addressOf(0));
    const kept = jobs.kept();
    jobs.free();
    const keptRows = new Set(kept.rows);
    for (const row of list ?? vectors.keys()) if (!keptRows.has(row)) expect(scores[row]).toBeLessThanOrEqual(kept.leftOut);
    expect(kept.passed, `seed ${seed}`).toBeLessThan(count / 4);
    if (!list) expect(Array.from(kept.rows, (row) => scores[row]).sort((a, b) => b - a).slice(0, 10)).toEqual(best);
  }
});
