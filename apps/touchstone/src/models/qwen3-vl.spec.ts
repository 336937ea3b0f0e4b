import { startModelServer, type ModelServer } from '@touchstone/model-server';
import { connectModels, type JointEmbeddingModel, type Models, modelRepositoryFolder } from '@touchstone/models';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { referencePixels } from './reference-pixels.ts';
import { layTinyQwen3Vl, qwenReference as reference } from './tiny-qwen3-vl-model.ts';

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
  const overlays = JSON.parse(await readFile(new URL('manifest.json', modelRepositoryFolder), 'utf8'));
  Object.assign(overlays.laptop[name], await layTinyQwen3Vl(join(folder, 'laptop', name)));
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
  const large = await picture([320, 320]); // 49 tokens by itself, and 25 beside four of its like
  const five = { text: 'The cat', pictures: [large, large, large, large, large] };
  const [vector, longer] = await model.embed([five, { ...five, text: 'The cat '.repeat(100) }]);
  expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  expect(cosine(vector, longer)).toBeLessThan(0.9999);
});
