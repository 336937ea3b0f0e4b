/**
 * Which changed pictures a scan finds: `npm run bench:transformations -w bench`. Each photo of `TOUCHSTONE_DATASETS/photos` is changed
 * in one way; the changed ones are compared with all of the originals as duplicates:scan compares pictures, by PDQ and by the cosine of
 * their embeddings. Recall is the share of photos that are found in their changed form; precision the share of the found pairs that
 * are of one photo.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectModels, hashDistance, type Models, type PerceptualHash } from '@touchstone/models';
import { modelsDir } from '@touchstone/testing';
import sharp, { type Sharp } from 'sharp';
import { ModelHost } from '../../apps/touchstone/src/serve/model-host.ts';
import { copyDistance, leastQuality } from '../../services/retrieval/src/duplicate/evidence.ts';

const thresholds = [0.95, 0.85];

type Change = (file: Buffer) => Promise<Buffer>;

const edited = (edit: (picture: Sharp, size: { width: number; height: number }) => Sharp, quality = 90): Change => async (file) => {
  const { width, height } = await sharp(file).metadata();
  return edit(sharp(file), { width, height }).jpeg({ quality }).toBuffer();
};

/** The middle, of so much of each side. */
const cropped = (share: number): Change =>
  edited((picture, { width, height }) =>
    picture.extract({ left: Math.round((width * (1 - share)) / 2), top: Math.round((height * (1 - share)) / 2), width: Math.round(width * share), height: Math.round(height * share) }),
  );

/** White words on a dark band over the lower part. */
const captioned: Change = edited((picture, { width, height }) => {
  const band = Math.round(height / 6);
  const svg = `<svg width="${width}" height="${band}"><rect width="100%" height="100%" fill="#202020"/><text x="50%" y="68%" font-size="${Math.round(band * 0.55)}" fill="white" text-anchor="middle" font-family="sans-serif">Only today: half price</text></svg>`;
  return picture.composite([{ input: Buffer.from(svg), left: 0, top: height - band - Math.round(height / 20) }]);
});

const changes: Readonly<Record<string, Change>> = {
  'sent again, JPEG 90': edited((picture) => picture),
  'JPEG quality 20': edited((picture) => picture, 20),
  'half the size': edited((picture, { width }) => picture.resize(Math.round(width / 2))),
  'a quarter of the size': edited((picture, { width }) => picture.resize(Math.round(width / 4))),
  'blurred, sigma 3': edited((picture) => picture.blur(3)),
  'lighter by 20 %': edited((picture) => picture.modulate({ brightness: 1.2 })),
  'grey': edited((picture) => picture.grayscale()),
  'cropped to 95 % of each side': cropped(0.95),
  'cropped to 80 % of each side': cropped(0.8),
  'cropped to 50 % of each side': cropped(0.5),
  'text over a sixth': captioned,
  'mirrored': edited((picture) => picture.flop()),
  'turned by 5 degrees': edited((picture) => picture.rotate(5, { background: 'white' })),
};

interface Seen {
  readonly hash: PerceptualHash;
  readonly vector: Float32Array;
}

async function look(models: Models, files: readonly Buffer[]): Promise<Seen[]> {
  const hashes = await models.perceptualHashes(files);
  const vectors = await models.image.embed(files);
  return hashes.map((hash, at) => ({ hash, vector: vectors[at] }));
}

const isCopy = (a: Seen, b: Seen) => Math.min(a.hash.quality, b.hash.quality) > leastQuality && hashDistance(a.hash.hash, b.hash.hash) <= copyDistance;
const cosine = (a: Seen, b: Seen) => a.vector.reduce((sum, value, at) => sum + value * b.vector[at], 0);

const tests: Readonly<Record<string, (a: Seen, b: Seen) => boolean>> = {
  PDQ: isCopy,
  ...Object.fromEntries(thresholds.map((threshold) => [`embedding ${threshold}`, (a: Seen, b: Seen) => cosine(a, b) >= threshold])),
  ...Object.fromEntries(thresholds.map((threshold) => [`PDQ or embedding ${threshold}`, (a: Seen, b: Seen) => isCopy(a, b) || cosine(a, b) >= threshold])),
};

function measure(originals: readonly Seen[], changed: readonly Seen[], isSame: (a: Seen, b: Seen) => boolean) {
  let right = 0;
  let found = 0;
  originals.forEach((original, at) =>
    changed.forEach((other, from) => {
      if (!isSame(original, other)) return;
      found++;
      if (at === from) right++;
    }),
  );
  return { recall: right / originals.length, precision: found === 0 ? null : right / found };
}

const folder = join(process.env.TOUCHSTONE_DATASETS ?? '', 'photos');
const names = (await readdir(folder)).filter((name) => name.endsWith('.jpg')).sort();
const photos = await Promise.all(names.map((name) => readFile(join(folder, name))));
const host = await ModelHost.start({ modelsDir, url: undefined });
const models = connectModels({ url: host.url, repository: host.repository });
try {
  while (!(await models.ready()).some(({ name, isReady }) => name === 'embed-image' && isReady)) await delay(500);
  const originals = await look(models, photos);
  const rows = [];
  for (const [change, apply] of Object.entries(changes)) {
    const changed = await look(models, await Promise.all(photos.map(apply)));
    rows.push({ change, ...Object.fromEntries(Object.entries(tests).map(([test, isSame]) => [test, measure(originals, changed, isSame)])) });
    console.log(JSON.stringify(rows.at(-1)));
  }
  const among = Object.fromEntries(Object.entries(tests).map(([test, isSame]) => [test, originals.flatMap((a, at) => originals.slice(at + 1).filter((b) => isSame(a, b))).length]));
  const report = { command: 'npm run bench:transformations -w bench', photos: photos.length, model: models.image.version, pairsAmongOriginals: among, rows };
  await mkdir(new URL('../results/', import.meta.url), { recursive: true });
  await writeFile(new URL('../results/transformations.json', import.meta.url), `${JSON.stringify(report, undefined, 2)}\n`);
} finally {
  await models.close();
  await host.stop();
}
