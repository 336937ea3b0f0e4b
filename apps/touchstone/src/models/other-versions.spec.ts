import { startModelServer, type ModelServer } from '@touchstone/model-server';
import { connectModels, ModelNotReady, type Models, TextTokenizer } from '@touchstone/models';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pullModels, repositoryFolder } from './index.ts';
import { readTensor } from './safetensors.ts';

// The real weights, pulled once into a folder that later runs find again.
const modelsFolder = process.env.TOUCHSTONE_MODELS_DIR ?? fileURLToPath(new URL('../../../../.touchstone/models', import.meta.url));

let folder: string;
let server: ModelServer;
let models: Models;

const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, position) => sum + value * b[position], 0);
const reasons = async () => (await models.ready()).filter(({ name }) => !name.startsWith('embed-joint')).map(({ reason }) => reason);

beforeAll(async () => {
  await pullModels({ modelsFolder });
  await pullModels({ modelsFolder, models: ['embed-text-wordllama', 'embed-image-layer-8'] });
  folder = await mkdtemp(join(tmpdir(), 'versions-'));
  server = await startModelServer({ modelRepository: repositoryFolder(modelsFolder), listen: `unix:${folder}/socket`, threads: 1, log: () => {} });
  models = connectModels({ url: server.url, repository: repositoryFolder(modelsFolder) });
  await vi.waitFor(async () => expect(await reasons()).toEqual(Array(5).fill(undefined)), { timeout: 30_000 });
}, 300_000);

afterAll(async () => {
  await models?.close();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

// Ids and vectors by PyPI's tokenizers 0.22, safetensors and NumPy, from the files of the wheel.
it.each([
  ['A cat sleeps on the sofa', [319, 6635, 12844, 8961, 373, 278, 577, 5444], [0.050195, -0.089979, 0.084345, 0.00636, 0.059394, -0.046122]],
  ['Ein Zug fährt – 12,5 km/h 🚂', [2694, 24698, 285, 5234, 29873, 785, 29871, 29896, 29906, 29892, 29945, 2383, 29914, 29882, 29871, 243, 162, 157, 133], [-0.00647, 0.046052, -0.036295, -0.106999, -0.004676, -0.096579]],
  ['日本語の本', [29871, 30325, 30346, 30968, 30199, 30346], [-0.158891, 0.055591, 0.017653, -0.14205, 0.089418, 0.022449]],
  ['  two  spaces\nline', [259, 1023, 29871, 8162, 13, 1220], [-0.083181, -0.093612, 0.020982, 0.004924, -0.040711, -0.073743]],
])('WordLlama reads %j as Python does', async (text, ids, first) => {
  const tokenizer = await TextTokenizer.open(join(repositoryFolder(modelsFolder), 'embed-text-wordllama/tokenizer.json'), 1024, false);
  expect(tokenizer.encode(text)).toEqual(ids);
  const [vector] = await models.texts[1].embed([text]);
  expect(vector).toHaveLength(256);
  first.forEach((value, position) => expect(vector[position]).toBeCloseTo(value, 5));
});

it('gives a text the same vector alone and among others, and cut to a prefix like texts stay together', async () => {
  const texts = ['A cat sleeps on the sofa', 'The kitten lay down on the couch', 'The central bank raised interest rates', 'Borrowing money costs more when the bank raises rates'];
  const vectors = await models.texts[1].embed([...texts, 'a much longer text '.repeat(50)]);
  const [alone] = await models.texts[1].embed([texts[2]]);
  expect(cosine(alone, vectors[2])).toBeCloseTo(1, 5);
  for (const dimension of [...models.texts[1].prefixes, 256]) {
    const [cat, kitten, bank, rates] = vectors.map((vector) => {
      const cut = vector.subarray(0, dimension);
      return cut.map((value) => value / Math.hypot(...cut));
    });
    expect(Math.min(cosine(cat, kitten), cosine(bank, rates)), `${dimension}`).toBeGreaterThan(Math.max(cosine(cat, bank), cosine(kitten, rates)));
  }
});

it('has another picture vector of the same weights', async () => {
  const picture = await sharp(fileURLToPath(new URL('../../../../node_modules/openmoji/color/svg/1F355.svg', import.meta.url))).png().toBuffer();
  const [[ninth], [eighth]] = await Promise.all(models.images.map((model) => model.embed([picture])));
  expect([ninth.length, eighth.length]).toEqual([384, 384]);
  expect(cosine(eighth, eighth)).toBeCloseTo(1, 5);
  expect(cosine(ninth, eighth)).toBeLessThan(0.9);
  expect(new Set([...models.texts, ...models.images].map(({ version }) => version)).size).toBe(4);
});

it('says which command brings weights that were never pulled', async () => {
  const elsewhere = connectModels({ url: `unix:${folder}/nobody`, repository: folder });
  const notReady = await elsewhere.texts[1].embed(['a']).catch((error) => error);
  await elsewhere.close();
  expect(notReady).toBeInstanceOf(ModelNotReady);
  expect(notReady.message).toContain('touchstone models pull embed-text-wordllama');
});

it('reads a tensor of a safetensors file, and refuses what is none', () => {
  const header = Buffer.from(JSON.stringify({ a: { dtype: 'F16', shape: [1, 2], data_offsets: [0, 4] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = Buffer.concat([length, header, Buffer.of(1, 2, 3, 4)]);
  expect(readTensor(file, 'a')).toEqual({ dtype: 'F16', shape: [1, 2], bytes: Buffer.of(1, 2, 3, 4) });
  expect(() => readTensor(file, 'b')).toThrow('no tensor b');
  expect(() => readTensor(file.subarray(0, -1), 'a')).toThrow('cut short');
  expect(() => readTensor(Buffer.from('hello'), 'a')).toThrow('no safetensors');
  expect(() => readTensor(Buffer.from('hello world'), 'a')).toThrow('no safetensors');
});
