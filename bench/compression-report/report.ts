/**
 * What EvoCut keeps beside other methods, on real weights: `npm run report:compression -w bench`. It needs the photos of
 * `TOUCHSTONE_DATASETS`, pulls `encode-vision` when it is not there, and rewrites docs/compression.md's tables, its plots
 * and bench/results/compression-report.json. All but the times follows from the seed. `-- page` writes the page from what was
 * measured before.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { Encoder, side } from './encoder.ts';
import { methods } from './methods.ts';
import { emoji, photos } from './pictures.ts';
import { Samples } from './samples.ts';
import { commonCenter, seed, smallBudget, type Study, studyObjects, studyPhotos, studyRepeats, studySeeds, studyText } from './studies.ts';
import { cpuTimes } from './times.ts';
import { encoderWeights } from './weights.ts';
import { type Result, resultFile, writePage } from './write-page.ts';

if (process.argv[2] === 'page') {
  await writePage(JSON.parse(await readFile(resultFile, 'utf8')));
  process.exit();
}

/** Pictures of each kind; the whole photos and the seeds take as long with fewer. */
const count = Number(process.argv[2] ?? 32);
const begin = performance.now();
const log = (line: string) => console.log(`${Math.round((performance.now() - begin) / 1000)} s  ${line}`);
const { file, weights } = await encoderWeights();
const encoder = await Encoder.open(file);
const all = await photos();
const samples = new Samples();
const study: Study = { encoder, methods: methods(encoder), samples, photos: all, things: await emoji(60), center: await commonCenter(encoder, all) };
log('ready');

await studyObjects(study, count, log);
await studyPhotos(study);
log('whole photos');
await studyText(study, Math.ceil(count / 2));
log('text');
await studyRepeats(study, Math.ceil(count / 2));
log('repeats');
await studySeeds(study, Math.ceil(count / 2));
log('seeds');

const rivals = ['random', 'uniform grid', 'downsampling', 'VisionZip', 'ApET'];
const result: Result = {
  ...{ command: 'npm run report:compression -w bench', seed, count, photos: all.length, weights, node: process.version },
  times: await cpuTimes(encoder, all.slice(0, 20).map(({ square }) => ({ rows: side, columns: side, pixels: square }))),
  rows: samples.rows(),
  differences: samples.differences('EvoCut', rivals, smallBudget),
};
await mkdir(new URL('../results/', import.meta.url), { recursive: true });
await writeFile(resultFile, `${JSON.stringify(result).replaceAll('{"case"', '\n{"case"')}\n`);
await writePage(result);
log('done');
