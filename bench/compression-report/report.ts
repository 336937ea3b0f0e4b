/**
 * What EvoCut keeps beside other methods, on real weights: `npm run report:compression -w bench`. It needs the photos of
 * `TOUCHSTONE_DATASETS`, pulls `encode-vision` when it is not there, and rewrites docs/compression.md's tables, its plots
 * and bench/results/compression-report.json. All but the times follows from the seed.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { evolutionScores } from '../../services/compression/src/evocut/evocut.ts';
import { Encoder, side } from './encoder.ts';
import { methods } from './methods.ts';
import { objectCases, tables, textCases, withTables } from './page.ts';
import { emoji, photos } from './pictures.ts';
import { budgetCurves } from './plots.ts';
import { Samples } from './samples.ts';
import { commonCenter, type Study, seed, studyObjects, studyPhotos, studyReading, studyRepeats, studySeeds, studyText } from './studies.ts';
import { encoderWeights } from './weights.ts';

/** Pictures of each kind: `npm run report:compression -w bench -- 4` for a look in a minute. */
const count = Number(process.argv[2] ?? 32);
const begin = performance.now();
const log = (line: string) => console.log(`${Math.round((performance.now() - begin) / 1000)} s  ${line}`);
const { file, version } = await encoderWeights();
const encoder = await Encoder.open(file);
const all = await photos();
const samples = new Samples();
const study: Study = { encoder, methods: methods(encoder), samples, photos: all, things: await emoji(60), center: await commonCenter(encoder, all) };
log('ready');

await studyObjects(study, count, log);
await studyPhotos(study);
log('whole photos');
await studyText(study, Math.ceil(count / 2));
await studyReading(study, Math.ceil(count / 2));
log('text');
await studyRepeats(study, Math.ceil(count / 2));
log('repeats');
await studySeeds(study, Math.ceil(count / 2));
log('seeds');

/** Medians of one thread, alternating. */
async function times() {
  const rows: { encoder: number; selection: number }[] = [];
  for (const { square } of all.slice(0, 20)) {
    const { ms, states } = await encoder.encode({ rows: side, columns: side, pixels: square });
    const start = performance.now();
    evolutionScores(states);
    rows.push({ encoder: ms, selection: performance.now() - start });
  }
  const median = (values: readonly number[]) => Number(values.toSorted((a, b) => a - b)[values.length >> 1].toFixed(1));
  return { encoderMs: median(rows.map((row) => row.encoder)), selectionInTypeScriptMs: median(rows.map((row) => row.selection)), load: loadavg().map((value) => value.toFixed(1)).join(' '), machine: `${cpus()[0].model}, ${cpus().length} cores` };
}

const timesTable = ({ encoderMs, selectionInTypeScriptMs, load, machine }: Awaited<ReturnType<typeof times>>) =>
  `Encoder ${encoderMs} ms, selection in TypeScript ${selectionInTypeScriptMs} ms a picture; medians of 20 photos, one thread, ${machine}, load ${load}.`;

const rivals = ['random', 'uniform grid', 'downsampling', 'VisionZip', 'ApET'];
const result = { command: 'npm run report:compression -w bench', seed, count, photos: all.length, model: version, node: process.version, times: await times(), rows: samples.rows(), differences: samples.differences('EvoCut', rivals) };
await mkdir(new URL('../results/', import.meta.url), { recursive: true });
await writeFile(new URL('../results/compression-report.json', import.meta.url), `${JSON.stringify(result).replaceAll('{"case"', '\n{"case"')}\n`);

const docs = new URL('../../docs/', import.meta.url);
const plot = (name: string, svg: string) => writeFile(new URL(`compression-${name}.svg`, docs), svg);
await plot('objects', budgetCurves(result.rows, 'recall', objectCases, 'Does a method keep the object?', 'kept tokens of the object ÷ as many as could be kept'));
await plot('cover', budgetCurves(result.rows, 'likeness', ['texture, object 3–10 %', 'photo, object 3–10 %', 'whole photo'], 'Do kept tokens stand for the whole picture?', 'cosine of each token with the kept one most like it, mean'));
await plot('text', budgetCurves(result.rows, 'kept', textCases, 'Does a method keep text?', 'kept tokens of text ÷ all tokens of text', 4));
const page = new URL('compression.md', docs);
await writeFile(page, withTables(await readFile(page, 'utf8'), { ...tables(result.rows, result.differences), times: timesTable(result.times) }));
log('done');
