import { startModelServer, type ModelServer } from '@touchstone/model-server';
import { connectModels, modelRepositoryFolder, type Models } from '@touchstone/models';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { pullModels, repositoryFolder } from './index.ts';
import { tinySiglipImage, tinySiglipText } from './tiny-siglip.ts';

const dimension = 768;
// What the same tiny SigLIP makes of the same texts and pictures in numpy, prepared by Hugging Face's own processors.
const reference = JSON.parse(await readFile(new URL('../libs/models/src/fixture/joint.json', modelRepositoryFolder), 'utf8')) as {
  pictures: { width: number; height: number }[];
  texts: string[];
  tokens: { siglip: { tokenizer: object } };
  /** Every 16th number. */
  vectors: { texts: number[][]; pictures: number[][] };
};

let folder: string;
let server: ModelServer;
let models: Models;

const everySixteenth = (vector: Float32Array) => vector.filter((_, at) => at % 16 === 0);
const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x).reduce((sum, value, at) => sum + value * y[at], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

/** The same integers as `picture` of tools/joint-fixture.py. */
function picture({ width, height }: { width: number; height: number }): Promise<Buffer> {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const red = Math.round(128 + 100 * Math.sin(x / 17) * Math.cos(y / 23));
      const blue = (Math.floor(x / 16) + Math.floor(y / 16)) % 2 === 0 ? 230 : 25;
      pixels.set([red, Math.floor((x * 7 + y * 3) / 4) % 256, blue], (y * width + x) * 3);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } }).png().toBuffer();
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'joint-'));
  const files: Record<string, Uint8Array> = {
    'embed-joint-text/tokenizer.json': Buffer.from(JSON.stringify(reference.tokens.siglip.tokenizer)),
    'embed-joint-text/text_model.onnx': tinySiglipText(),
    'embed-joint-image/vision_model.onnx': tinySiglipImage(),
  };
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, 'files', path)), { recursive: true });
    await writeFile(join(folder, 'files', path), bytes);
  }

  // The repository's manifest, pinned as an operator does it.
  const overlays = JSON.parse(await readFile(new URL('manifest.json', modelRepositoryFolder), 'utf8'));
  for (const name of ['embed-joint-text', 'embed-joint-image']) {
    for (const file of overlays.laptop[name].files) {
      const bytes = files[file.sources.find((source: { file?: string }) => source.file).file];
      file.sha256 = createHash('sha256').update(bytes).digest('hex');
      file.bytes = bytes.byteLength;
      file.sources = file.sources.filter((source: { file?: string }) => source.file);
    }
  }
  const manifest = join(folder, 'manifest.json');
  await writeFile(manifest, JSON.stringify(overlays));

  const modelsFolder = join(folder, 'models');
  await pullModels({ modelsFolder, manifest, filesFolder: join(folder, 'files'), models: ['embed-joint-text', 'embed-joint-image'] });
  server = await startModelServer({ modelRepository: repositoryFolder(modelsFolder), listen: `unix:${folder}/socket`, threads: 1, log: () => {} });
  models = connectModels({ url: server.url, repository: repositoryFolder(modelsFolder), manifest });
  await vi.waitFor(async () => expect((await models.ready()).filter(({ isReady }) => isReady).map(({ name }) => name)).toEqual(['embed-joint-text', 'embed-joint-image']), {
    timeout: 30_000,
  });
}, 120_000);

afterAll(async () => {
  await models?.close();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

it('makes of texts the vectors of the reference: tokens, padding, no mask, the last place', async () => {
  const vectors = await models.joint!.text.embed(reference.texts);
  for (const [at, vector] of vectors.entries()) {
    expect(vector).toHaveLength(dimension);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    everySixteenth(vector).forEach((value, place) => expect(value).toBeCloseTo(reference.vectors.texts[at][place], 4));
  }
});

it('makes of picture files the vectors of the reference, as near as resizing allows', async () => {
  const vectors = await models.joint!.image.embed(await Promise.all(reference.pictures.map(picture)));
  const cosines = vectors.map((vector, at) => cosine(everySixteenth(vector), reference.vectors.pictures[at]));
  for (const [at, vector] of vectors.entries()) {
    expect(vector).toHaveLength(dimension);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    // Where a picture is enlarged, libvips is half a pixel off: model-repository/CONTRACT.md.
    expect(cosines[at]).toBeGreaterThan(reference.pictures[at].width < 224 ? 0.998 : 0.9999);
  }
});

it('has versions that name the pinned weights', () => {
  expect(models.joint!.text.version).toMatch(/^siglip-base-patch16-224-text@[0-9a-f]{12}$/);
  expect(models.joint!.image.version).toMatch(/^siglip-base-patch16-224-vision@[0-9a-f]{12}$/);
});
