import { startModelServer, type ModelServer } from '@touchstone/model-server';
import { connectModels, type JointEmbeddingModel, type Models, modelRepositoryFolder } from '@touchstone/models';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { referencePixels } from './reference-pixels.ts';
import { tinyQwen3Vl } from './tiny-qwen3-vl.ts';

// What Hugging Face's Qwen3VLModel makes of the same notes with the same tiny weights: tools/qwen3-vl-fixture.py.
const reference = JSON.parse(await readFile(new URL('../libs/models/src/fixture/qwen3-vl.json', modelRepositoryFolder), 'utf8')) as {
  tokenizer: { added_tokens: { id: number; content: string }[] };
  notes: { text: string; pictures: [number, number][]; vector: number[] }[];
};
const name = 'embed-joint-qwen3-vl';
const dimension = 32;

let folder: string;
let server: ModelServer;
let models: Models;
let model: JointEmbeddingModel;

const picture = ([width, height]: [number, number]) => sharp(referencePixels(width, height), { raw: { width, height, channels: 3 } }).png().toBuffer();
const note = async ({ text, pictures }: { text: string; pictures: [number, number][] }) => ({ text, pictures: await Promise.all(pictures.map(picture)) });
const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, value, at) => sum + value * b[at], 0);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qwen-'));
  const home = join(folder, 'laptop', name);
  await mkdir(join(home, '1'), { recursive: true });
  const special = reference.tokenizer.added_tokens;
  const graph = tinyQwen3Vl({ imageToken: special.find(({ content }) => content === '<|image_pad|>')!.id, vocabulary: special.at(-1)!.id + 1 });
  const tokenizer = JSON.stringify(reference.tokenizer);
  await writeFile(join(home, '1/model.onnx'), graph);
  await writeFile(join(home, 'tokenizer.json'), tokenizer);
  // Its tensors as they are declared for Triton; only the backend is the one that runs here.
  const config = await readFile(new URL(`laptop/${name}/config.pbtxt`, modelRepositoryFolder), 'utf8');
  await writeFile(join(home, 'config.pbtxt'), config.replace('backend: "python"', 'backend: "onnxruntime"'));

  const overlays = JSON.parse(await readFile(new URL('manifest.json', modelRepositoryFolder), 'utf8'));
  const pinned = (path: string, content: Uint8Array | string) => ({ path, sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length, licence: 'ours', sources: [{ file: path }] });
  // Sequences as short as the longest note that is compared: a graph of every pair of patches is quadratic.
  Object.assign(overlays.laptop[name], { dimension, prefixes: [16], maximumTokens: 200, files: [pinned('tokenizer.json', tokenizer), pinned('1/model.onnx', graph)] });
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(overlays));

  server = await startModelServer({ modelRepository: join(folder, 'laptop'), listen: `unix:${folder}/socket`, threads: 1, log: () => {} });
  models = connectModels({ url: server.url, repository: join(folder, 'laptop'), manifest: join(folder, 'manifest.json') });
  await vi.waitFor(async () => expect((await models.ready()).find((each) => each.name === name)).toMatchObject({ isReady: true }), 30_000);
  model = models.joints.find((each) => each.name === name)!;
}, 60_000);

afterAll(async () => {
  await models?.close();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

describe.each(reference.notes)('$text with pictures $pictures', ({ text, pictures, vector: expected }) => {
  it('has the vector that the reference has', async () => {
    const [vector] = await model.embed([await note({ text, pictures })]);
    expect(vector).toHaveLength(dimension);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    // A picture that shrinks differs at its edges, by libvips' bicubic and Pillow's.
    if (pictures.every(([width, height]) => width % 32 === 0 && height % 32 === 0)) vector.forEach((value, at) => expect(value).toBeCloseTo(expected[at], 4));
    else expect(cosine(vector, expected)).toBeGreaterThan(0.999);
  });
});

it('makes of many notes in a call what it makes of each, and of a note something else than of its parts', async () => {
  const [first, second, third] = await Promise.all(reference.notes.slice(0, 3).map(note));
  const together = await model.embed([third, first, second]);
  for (const [at, each] of [third, first, second].entries()) {
    const [alone] = await model.embed([each]);
    expect(cosine(alone, together[at])).toBeCloseTo(1, 6);
  }
  const [both, text, shown] = await model.embed([{ text: first.text, pictures: second.pictures }, first, second]);
  expect(cosine(both, text)).toBeLessThan(0.9999);
  expect(cosine(both, shown)).toBeLessThan(0.9999);
});

it('names the picture that is none by its place among all of the call', async () => {
  const [first, second] = await Promise.all(reference.notes.slice(1, 3).map(note));
  const broken = { text: 'a', pictures: [second.pictures[0], Buffer.from('no picture')] };
  await expect(model.embed([first, broken])).rejects.toMatchObject({ name: 'PictureRefused', index: 2 });
});

it('makes many pictures of a note smaller, so that all of them and the end of the prompt are read', async () => {
  const large = await picture([320, 320]); // 100 tokens by itself, and 5 × 25 of 5 × 30 beside its like
  const five = { text: 'The cat', pictures: [large, large, large, large, large] };
  const [vector, longer] = await model.embed([five, { ...five, text: 'The cat '.repeat(100) }]);
  expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  expect(cosine(vector, longer)).toBeLessThan(0.9999);
});
