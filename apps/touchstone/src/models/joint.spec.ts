import type { JointEmbeddingModel } from '@touchstone/models';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { referencePixels } from './reference-pixels.ts';
import { jointReference as reference, startTinyJoint, type TinyJoint } from './tiny-joint.ts';

const dimension = 768;

let tiny: TinyJoint;
let model: JointEmbeddingModel;
beforeAll(async () => {
  tiny = await startTinyJoint();
  model = tiny.models.joints[0];
}, 120_000);
afterAll(() => tiny?.stop());

const referencePicture = ({ width, height }: { width: number; height: number }) => sharp(referencePixels(width, height), { raw: { width, height, channels: 3 } }).png().toBuffer();
const everySixteenth = (vector: Float32Array) => vector.filter((_, at) => at % 16 === 0);
const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x).reduce((sum, value, at) => sum + value * y[at], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};
const embedTexts = () => model.embed(reference.texts.map((text) => ({ text: text || ' ', pictures: [] })));

it('makes of texts the vectors of the reference: tokens, padding, no mask, the last place', async () => {
  const vectors = await embedTexts();
  for (const [at, vector] of vectors.entries()) {
    expect(vector).toHaveLength(dimension);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    everySixteenth(vector).forEach((value, place) => expect(value).toBeCloseTo(reference.vectors.texts[at][place], 4));
  }
});

it('makes of picture files the vectors of the reference, as near as resizing allows', async () => {
  const files = await Promise.all(reference.pictures.map(referencePicture));
  const vectors = await model.embed(files.map((file) => ({ text: '', pictures: [file] })));
  const cosines = vectors.map((vector, at) => cosine(everySixteenth(vector), reference.vectors.pictures[at]));
  for (const [at, vector] of vectors.entries()) {
    expect(vector).toHaveLength(dimension);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    // Where a picture is enlarged, libvips is half a pixel off: model-repository/CONTRACT.md.
    expect(cosines[at]).toBeGreaterThan(reference.pictures[at].width < 224 ? 0.998 : 0.9999);
  }
});

it('makes of a note half its text and half its pictures', async () => {
  const files = await Promise.all(reference.pictures.slice(0, 2).map(referencePicture));
  const [text, first, second, note] = await model.embed([
    { text: reference.texts[0], pictures: [] },
    { text: '', pictures: [files[0]] },
    { text: '', pictures: [files[1]] },
    { text: reference.texts[0], pictures: files },
  ]);
  const unit = (values: number[]) => values.map((value) => value / Math.hypot(...values));
  const pictures = unit([...first].map((value, at) => value + second[at]));
  const expected = unit([...text].map((value, at) => value + pictures[at]));
  note.forEach((value, at) => expect(value).toBeCloseTo(expected[at], 5));
});

it('has a version that names the pinned weights of both', () => {
  expect(model.version).toMatch(/^siglip-base-patch16-224-text@[0-9a-f]{12}\+siglip-base-patch16-224-vision@[0-9a-f]{12}$/);
});
