import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { referencePicture } from './fixture/reference-picture.ts';
import { readManifest, type Preparation } from './manifest.ts';
import { pixelTensor } from './picture-pixels.ts';
import { PictureProcesses } from './picture-processes.ts';
import { textBatches } from './text-batches.ts';
import { tokenTensors } from './token-tensors.ts';
import { TextTokenizer } from './tokenizer.ts';

// By the models' own preprocessing: tools/joint-fixture.py.
const reference = JSON.parse(await readFile(new URL('fixture/joint.json', import.meta.url), 'utf8')) as {
  pictures: { width: number; height: number; pixelValues: Record<string, { mean: number[]; grid: number[][] }> }[];
  texts: string[];
  tokens: Record<string, { tokenizer: object; paddingId: number; maximumTokens: number; inputIds: number[][] }>;
};
const entries = readManifest('laptop');
const preparations: Record<string, Preparation> = {
  siglip: entries['embed-joint-image'].preparation!,
  dinov2: entries['embed-image'].preparation!,
  clip: entries['embed-joint-image-clip'].preparation!,
};

let folder: string;
const processes = new PictureProcesses({ processes: 1 });
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'joint-'))));
afterAll(async () => {
  await processes.close();
  await rm(folder, { recursive: true, force: true });
});

/**
 * Whether every preparation shrinks the picture to whole numbers: then libvips is within 2 of 255 of Pillow. It differs at
 * edges where it enlarges (by half a new pixel, to the right and down) and where it rounds the longer side and Pillow cuts
 * (640 × 480 to 299 and 298).
 */
const isAligned = (width: number) => width === 600 || width === 350;

const cases = Object.keys(preparations).flatMap((model) => reference.pictures.map(({ width, height, pixelValues }) => ({ model, width, height, ...pixelValues[model] })));

it.each(cases)('makes of a picture of $width × $height what $model was trained with', async ({ model, width, height, mean, grid }) => {
  const preparation = preparations[model];
  const tensor = pixelTensor([await processes.prepare(await referencePicture(width, height), preparation, 0)], preparation);
  expect(tensor.shape).toEqual([1, 3, 224, 224]);
  const data = tensor.data as Float32Array;
  const plane = 224 * 224;
  // In steps of the 256 of a channel, so that the models are measured alike.
  const steps = (difference: number, channel: number) => Math.abs(difference) * preparation.deviation[channel] * 255;
  const differences = mean.flatMap((_, channel) =>
    grid[channel].map((value, at) => steps(data[channel * plane + (16 + 32 * Math.floor(at / 7)) * 224 + 16 + 32 * (at % 7)] - value, channel)),
  );
  const ofMeans = mean.map((value, channel) => steps(data.subarray(channel * plane, (channel + 1) * plane).reduce((sum, one) => sum + one, 0) / plane - value, channel));
  expect(differences.reduce((sum, one) => sum + one, 0) / differences.length).toBeLessThan(isAligned(width) ? 0.3 : 12);
  if (isAligned(width)) expect(Math.max(...differences)).toBeLessThan(3);
  expect(Math.max(...ofMeans)).toBeLessThan(0.5);
});

it.each(Object.keys(reference.tokens))('cuts and pads texts as %s was trained with, and sends no mask', async (model) => {
  const { tokenizer, paddingId, maximumTokens, inputIds } = reference.tokens[model];
  const file = join(folder, `${model}.json`);
  await writeFile(file, JSON.stringify(tokenizer));
  const opened = await TextTokenizer.open(file, maximumTokens);
  const ids = reference.texts.map((text) => opened.encode(text));
  const [batch] = textBatches(ids.map(() => maximumTokens), { rows: ids.length, tokens: ids.length * maximumTokens, maximumTokens });
  const tensors = tokenTensors(batch, ids, paddingId);
  expect(Object.keys(tensors)).toEqual(['input_ids']);
  expect(tensors.input_ids).toEqual({ shape: [reference.texts.length, maximumTokens], data: BigInt64Array.from(inputIds.flat(), BigInt) });
});

it('pads as the manifest says for SigLIP', () => {
  const { paddingId, maximumTokens } = reference.tokens.siglip;
  expect(entries['embed-joint-text']).toMatchObject({ paddingId, maximumTokens });
});

it('pads as the manifest says for CLIP: with the end token, of which the first has the vector', () => {
  const { paddingId, maximumTokens, inputIds, tokenizer } = reference.tokens.clip;
  const { added_tokens: added } = tokenizer as { added_tokens: { id: number; content: string }[] };
  expect(added.find(({ content }) => content === '<|endoftext|>')!.id).toBe(paddingId);
  // The published vocabulary has 49,408 tokens, and the end token is its last.
  expect(entries['embed-joint-text-clip']).toMatchObject({ paddingId: 49_407, maximumTokens });
  // CLIP takes the place of the highest id, of several the first.
  const ends = inputIds.map((row) => row.indexOf(Math.max(...row)));
  expect(ends.map((at, row) => inputIds[row][at])).toEqual(inputIds.map(() => paddingId));
  expect(ends.slice(0, 3)).toEqual([inputIds[0].length - inputIds[0].filter((id) => id === paddingId).length, expect.any(Number), 1]);
  expect(ends.at(-1)).toBe(maximumTokens - 1);
});
