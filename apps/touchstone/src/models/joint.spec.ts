import { startModelServer, type ModelServer } from '@touchstone/model-server';
import { connectModels, modelRepositoryFolder, type Models } from '@touchstone/models';
import { editGraph, emptyModel, type OnnxConstant, type OnnxNode } from '@touchstone/onnx-graph';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { pullModels, repositoryFolder } from './index.ts';

// SigLIP's two graphs in small: a seeded table of tokens and a convolution of 16 × 16 patches, averaged, each with a
// projection into one space of 768 numbers. Weights mean nothing here; names, types, shapes and the way through the code do.
const dimension = 768;
const width = 8;
const patch = 16;
const tokens = 40;
const seed = 11;

let folder: string;
let server: ModelServer;
let models: Models;

/** Numbers from -1 to 1 by a linear congruential generator. */
function seeded(length: number, from: number): Float32Array {
  let state = from;
  return Float32Array.from({ length }, () => ((state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 31) - 1);
}
const table = seeded(tokens * width, seed);
const filter = seeded(width * 3 * patch * patch, seed + 1);
const textProjection = seeded(width * dimension, seed + 2);
const imageProjection = seeded(width * dimension, seed + 3);

const float = (name: string, dims: readonly number[], data: Float32Array): OnnxConstant => ({ name, type: 'FLOAT', dims, data });
const projected: OnnxNode = { type: 'MatMul', inputs: ['pooled', 'projection'], output: 'pooler_output' };
const outputs = [{ name: 'pooler_output', type: 'FLOAT', shape: ['batch', dimension] }] as const;

const textGraph = () =>
  editGraph(emptyModel(), {
    removed: [],
    inputs: [{ name: 'input_ids', type: 'INT64', shape: ['batch', 'tokens'] }],
    constants: [float('table', [tokens, width], table), float('projection', [width, dimension], textProjection)],
    after: [
      { type: 'Gather', inputs: ['table', 'input_ids'], output: 'last_hidden_state' },
      { type: 'ReduceMean', inputs: ['last_hidden_state'], output: 'pooled', attributes: { axes: [1], keepdims: 0 } },
      projected,
    ],
    outputs,
  });

const imageGraph = () =>
  editGraph(emptyModel(), {
    removed: [],
    inputs: [{ name: 'pixel_values', type: 'FLOAT', shape: ['batch', 3, 224, 224] }],
    constants: [float('filter', [width, 3, patch, patch], filter), float('projection', [width, dimension], imageProjection)],
    after: [
      { type: 'Conv', inputs: ['pixel_values', 'filter'], output: 'last_hidden_state', attributes: { strides: [patch, patch] } },
      { type: 'ReduceMean', inputs: ['last_hidden_state'], output: 'pooled', attributes: { axes: [2, 3], keepdims: 0 } },
      projected,
    ],
    outputs,
  });

/** What the graphs give, computed apart from them. */
function expected(pooled: readonly number[], projection: Float32Array): number[] {
  const vector = Array.from({ length: dimension }, (_, at) => pooled.reduce((sum, value, row) => sum + value * projection[row * dimension + at], 0));
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, at) => sum + value * b[at], 0);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'joint-'));
  const reference = JSON.parse(await readFile(new URL('../libs/models/src/fixture/joint.json', modelRepositoryFolder), 'utf8'));
  const files: Record<string, Uint8Array> = {
    'embed-joint-text/tokenizer.json': Buffer.from(JSON.stringify(reference.tokens.siglip.tokenizer)),
    'embed-joint-text/text_model.onnx': textGraph(),
    'embed-joint-image/vision_model.onnx': imageGraph(),
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

it('brings texts through the pulled tokenizer, padded to 64, to unit vectors of the joint space', async () => {
  const [cat, empty, long] = await models.joint!.text.embed(['A photo of a cat', '', 'a photo of '.repeat(60)]);
  // ids by the reference: 4 5 6 4 7 1, then padding with 1 up to 64
  const ids = [4, 5, 6, 4, 7, ...Array.from({ length: 59 }, () => 1)];
  const pooled = Array.from({ length: width }, (_, at) => ids.reduce((sum, id) => sum + table[id * width + at], 0) / 64);
  expect(cat).toHaveLength(dimension);
  expect(cosine(cat, expected(pooled, textProjection))).toBeCloseTo(1, 5);
  expect(cosine(cat, cat)).toBeCloseTo(1, 5);
  expect(cosine(long, empty)).toBeLessThan(0.999);
});

it('brings a picture file, whatever its sides, to a unit vector of the same space', async () => {
  const colour = { r: 200, g: 100, b: 50 };
  const files = await Promise.all([300, 900].map((side) => sharp({ create: { width: side, height: 300, channels: 3, background: colour } }).png().toBuffer()));
  const [square, broad] = await models.joint!.image.embed(files);
  const normalised = [colour.r, colour.g, colour.b].map((value) => (value / 255 - 0.5) / 0.5);
  const area = patch * patch;
  const pooled = Array.from({ length: width }, (_, at) =>
    normalised.reduce((sum, value, channel) => sum + value * filter.subarray((at * 3 + channel) * area, (at * 3 + channel + 1) * area).reduce((total, weight) => total + weight, 0), 0),
  );
  expect(cosine(square, expected(pooled, imageProjection))).toBeCloseTo(1, 5);
  expect(cosine(broad, square)).toBeCloseTo(1, 5);
  expect(square).toHaveLength((await models.joint!.text.embed(['cats']))[0].length);
});

it('has versions that name the pinned weights', () => {
  expect(models.joint!.text.version).toMatch(/^siglip-base-patch16-224-text@[0-9a-f]{12}$/);
  expect(models.joint!.image.version).toMatch(/^siglip-base-patch16-224-vision@[0-9a-f]{12}$/);
});
