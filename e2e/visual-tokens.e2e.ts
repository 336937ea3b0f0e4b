import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compressPicture, type Compression, fetchTokens } from '../examples/visual-tokens/compression.ts';
import { type Answer, LanguageModel } from '../examples/visual-tokens/language-model.ts';
import { startModelServer } from '../examples/visual-tokens/model-server.ts';
import { placePicture, withoutDropped } from '../examples/visual-tokens/prompt.ts';
import { readSafetensors } from '../examples/visual-tokens/safetensors.ts';
import { layLanguageModel, seededWeights, tinyShape } from '../examples/visual-tokens/tiny-language-model.ts';
import { api, platform } from './api.ts';
import { photoBytes } from './photos.ts';

const client = { url: platform.url, key: platform.keys.first };
const question = [...Buffer.from('What is this?')];
const maximumTokens = 4;

let folder: string;
let picture: Buffer;
let few: Compression;
let server: { url: string; stop(): Promise<void> };
let model: LanguageModel;
let pictureId: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visual-tokens-'));
  picture = await photoBytes(0);
  await writeFile(join(folder, 'photo.jpg'), picture);
  few = await compressPicture(client, picture, 28);
  const shape = tinyShape((await fetchTokens(client, few.blobId, few.tokens)).width);
  pictureId = shape.pictureId;
  await layLanguageModel(join(folder, 'models'), shape, seededWeights(3));
  server = await startModelServer(join(folder, 'models'));
  model = await LanguageModel.connect(server.url);
});
afterAll(async () => {
  model?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const farthest = (one: Answer, other: Answer) => Math.max(...one.logits.flatMap((logits, step) => [...logits].map((value, id) => Math.abs(value - other.logits[step][id]))));

it('all tokens kept are the uncompressed picture to a language model, bit for bit', async () => {
  const whole = await compressPicture(client, picture, few.tokens);
  const [own, uncompressed] = [await fetchTokens(client, whole.blobId, few.tokens), await fetchTokens(client, few.allTokensBlobId, few.tokens)];
  expect(own.kept).toEqual(Array.from({ length: few.tokens }, (_, token) => token));
  expect(own.rows).toEqual(uncompressed.rows);
  const answer = (visual: typeof own) => model.answer(placePicture([...question, pictureId], pictureId, visual), visual, { maximumTokens });
  expect((await answer(own)).logits).toEqual((await answer(uncompressed)).logits);
});

it('kept tokens are rows of the whole picture at their places, and are read as if the others were hidden', async () => {
  const [kept, all] = [await fetchTokens(client, few.blobId, few.tokens), await fetchTokens(client, few.allTokensBlobId, few.tokens)];
  expect(kept.kept).toEqual(few.indices);
  expect(kept.kept).toHaveLength(28);
  expect([...kept.rows]).toEqual(kept.kept.flatMap((token) => [...all.rows.subarray(token * all.width, (token + 1) * all.width)]));
  const stored = readSafetensors((await api().get(`/v1/blobs/${few.blobId}`).buffer().parse((response, done) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => done(null, Buffer.concat(chunks)));
  }).expect(200)).body as Buffer);
  expect([...stored.positions.data]).toEqual(few.indices.flatMap((token) => [Math.floor(token / few.grid.columns), token % few.grid.columns]));

  const ids = [...question, pictureId, ...question];
  const placed = placePicture(ids, pictureId, all);
  const hidden = await model.answer(placed, all, { maximumTokens, visible: withoutDropped(placed, pictureId, kept.kept) });
  const own = await model.answer(placePicture(ids, pictureId, kept), kept, { maximumTokens });
  expect(own.ids).toEqual(hidden.ids);
  expect(farthest(own, hidden)).toBeLessThan(1e-4);
  const renumbered = await model.answer(placePicture(ids, pictureId, kept, 'sequential'), kept, { maximumTokens });
  expect(farthest(renumbered, hidden)).toBeGreaterThan(0.01);
});

it('the program says where tokens stand and what each part took', async () => {
  const words = ['--conditions=@touchstone/source', '--import', '../source.mjs', 'visual-tokens/main.ts', join(folder, 'photo.jpg'), '--keep', '256,28', '--repeat', '1', '--answer', '3'];
  const { stdout } = await promisify(execFile)(process.execPath, words, {
    cwd: fileURLToPath(new URL('../examples', import.meta.url)),
    env: { ...process.env, TOUCHSTONE_URL: client.url, TOUCHSTONE_KEY: client.key },
  });
  expect(stdout).toContain('16 × 16 = 256 tokens of 384 numbers');
  expect(stdout).toMatch(/256 kept: input_ids \[1, \d+\], visual_tokens \[1, 256, 384\]\n {2}positions {2}the picture at 7, 8, 9, 10 … 262, text behind it to \d+/);
  const [, read, last] = /28 kept: input_ids \[1, (\d+)\].*\n.*text behind it to (\d+)/.exec(stdout)!;
  expect(Number(last) - Number(read) + 1).toBe(256 - 28); // places that nothing fills
  for (const part of [/compress .* ms/g, /prefill .* ms/g, /decode .* ms for 2 more tokens/g, /llava-1\.5-7b would need [\d.]+ TFLOPs/g]) expect(stdout.match(part)).toHaveLength(2);
});
