import { startModelServer, type ModelServer } from '@touchstone/model-server';
import { connectModels, ModelNotReady, PictureRefused, TextTokenizer, type Models } from '@touchstone/models';
import { TritonClient } from '@touchstone/triton-client';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { modelStatus, pullModels, repositoryFolder } from './index.ts';

// The real weights, pulled once into a folder that later runs find again.
const modelsFolder = process.env.TOUCHSTONE_MODELS_DIR ?? fileURLToPath(new URL('../../../../.touchstone/models', import.meta.url));

let folder: string;
let repository: string;
let server: ModelServer;
let triton: TritonClient;
let models: Models;

const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, position) => sum + value * b[position], 0);
const allReady = () =>
  vi.waitFor(async () => expect((await models.ready()).filter(({ isOptional }) => !isOptional).map(({ reason }) => reason)).toEqual([undefined, undefined, undefined]), { timeout: 30_000 });
const emoji = (style: 'color' | 'black', code: string): Promise<Buffer> =>
  sharp(fileURLToPath(new URL(`../../../../node_modules/openmoji/${style}/svg/${code}.svg`, import.meta.url)), { density: 288 })
    .png()
    .toBuffer();

beforeAll(async () => {
  await pullModels({ modelsFolder });
  folder = await mkdtemp(join(tmpdir(), 'embedding-'));
  repository = join(folder, 'repository');
  await cp(repositoryFolder(modelsFolder), repository, { recursive: true });
  server = await startModelServer({ modelRepository: repository, listen: `unix:${folder}/socket`, threads: 1, pollMs: 100, log: () => {} });
  triton = new TritonClient(server.url);
  models = connectModels({ url: server.url, repository });
  await allReady();
}, 300_000);

afterAll(async () => {
  await models?.close();
  triton?.close();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

it('has the bytes that the manifest names', async () => {
  expect((await modelStatus({ modelsFolder })).filter(({ isOptional }) => !isOptional).map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
});

it('cuts text into the ids that bert-base-uncased is known for', async () => {
  const tokenizer = await TextTokenizer.open(join(repository, 'embed-text/tokenizer.json'), 256);
  expect(tokenizer.encode('Hello, world!')).toEqual([101, 7592, 1010, 2088, 999, 102]);
  expect(tokenizer.encode('word '.repeat(1_000))).toHaveLength(256);
});

it('puts texts of like meaning closer than others', async () => {
  const texts = ['A cat sleeps on the sofa', 'A kitten naps on the couch', 'The central bank raised interest rates', 'Borrowing became dearer as rates went up'];
  const [cat, kitten, bank, rates] = await models.text.embed(texts);
  const across = [cosine(cat, bank), cosine(cat, rates), cosine(kitten, bank), cosine(kitten, rates)];
  expect(Math.min(cosine(cat, kitten), cosine(bank, rates))).toBeGreaterThan(Math.max(...across) + 0.2);
  for (const vector of [cat, kitten, bank, rates]) {
    expect(vector).toHaveLength(models.text.dimension);
    expect(cosine(vector, vector)).toBeCloseTo(1, 5);
  }
});

it('gives a text the same vector alone and among others of any length', async () => {
  const texts = Array.from({ length: 40 }, (_, count) => `Item ${count} ${'is a longer sentence about trains '.repeat(count % 7)}`);
  const together = await models.text.embed(texts);
  for (const row of [0, 6, 13, 39]) {
    const [alone] = await models.text.embed([texts[row]]);
    expect(cosine(alone, together[row])).toBeGreaterThan(0.9999);
  }
});

it('finds the colour picture of a drawing among others, and a picture alone equals one in a batch', async () => {
  const codes = ['1F355', '1F697', '1F40C', '1F3E0', '1F333'];
  const colours = await models.image.embed(await Promise.all(codes.map((code) => emoji('color', code))));
  const [again] = await models.image.embed([await emoji('color', codes[3])]);
  const ranked = colours.map((colour) => cosine(again, colour));
  expect(ranked.indexOf(Math.max(...ranked))).toBe(3);
  expect(ranked[3]).toBeGreaterThan(0.9999);
  expect(Math.max(...ranked.filter((_, position) => position !== 3))).toBeLessThan(0.99);

  const blacks = await models.image.embed(await Promise.all(codes.map((code) => emoji('black', code))));
  const found = blacks.filter((black, own) => colours.every((colour, other) => other === own || cosine(black, colour) < cosine(black, colours[own])));
  expect(found.length).toBeGreaterThanOrEqual(3);
});

it('refuses the one bad picture by its position', async () => {
  const good = await emoji('color', '1F355');
  const refused = await models.image.embed([good, good.subarray(0, 200), good]).catch((error) => error);
  expect(refused).toBeInstanceOf(PictureRefused);
  expect(refused.index).toBe(1);
});

it('is not ready while a model is unloaded, corrupt or absent, and works again without a new connection', async () => {
  await triton.unloadModel('embed-text');
  await expect(models.text.embed(['a'])).rejects.toThrow(ModelNotReady);
  expect((await models.ready()).slice(0, 2)).toMatchObject([{ isReady: false }, { isReady: true }]);
  await triton.loadModel('embed-text');
  await models.text.embed(['a']);

  const graph = join(repository, 'embed-text/1/model.onnx');
  const whole = await readFile(graph);
  await triton.unloadModel('embed-text');
  await writeFile(graph, whole.subarray(0, 1_000_000));
  await expect(triton.loadModel('embed-text')).rejects.toThrow('embed-text');
  expect((await models.ready())[0].reason).toMatch(/protobuf|model/i);
  await expect(models.text.embed(['a'])).rejects.toThrow(ModelNotReady);

  await writeFile(`${graph}.new`, whole);
  await rename(`${graph}.new`, graph);
  await allReady();
  expect(await models.text.embed(['a'])).toHaveLength(1);
});
