import { expect, it } from 'vitest';
import type { EmbeddingModel } from './embedding-model.ts';
import { JointPair } from './joint-pair.ts';
import { PictureRefused } from './models.errors.ts';

/** Puts every input on an axis; notes what it is asked for. */
function model<Input>(name: string, axis: (input: Input) => number, dimension = 3) {
  const asked: Input[] = [];
  const embed: EmbeddingModel<Input>['embed'] = async (inputs) => {
    asked.push(...inputs);
    return inputs.map((input) => Float32Array.from({ length: dimension }, (_, at) => Number(at === axis(input))));
  };
  return { asked, model: { name, version: `${name}@1`, dimension, prefixes: [], embed } satisfies EmbeddingModel<Input> };
}

const first = Uint8Array.of(1);
const second = Uint8Array.of(2);

it('embeds each text and each picture of a call once, and a note as half of either', async () => {
  const texts = model<string>('texts', () => 0);
  const pictures = model<Uint8Array>('pictures', ([axis]) => axis);
  const pair = new JointPair('pair', texts.model, pictures.model, true);
  const vectors = await pair.embed([
    { text: 'a', pictures: [] },
    { text: '', pictures: [first] },
    { text: '', pictures: [second] },
    { text: 'a', pictures: [first, second] },
  ]);
  const half = Math.SQRT1_2;
  [[1, 0, 0], [0, 1, 0], [0, 0, 1], [half, 0.5, 0.5]].forEach((expected, row) => expected.forEach((value, at) => expect(vectors[row][at]).toBeCloseTo(value, 6)));
  expect(texts.asked).toEqual(['a']);
  expect(pictures.asked).toEqual([first, second]);
  expect(pair).toMatchObject({ version: 'texts@1+pictures@1', dimension: 3, isPinned: true });
});

it('names the refused picture by its place among all pictures of the call', async () => {
  const refusing = { ...model<Uint8Array>('pictures', () => 0).model, embed: () => Promise.reject(new PictureRefused(1, 'it is broken')) };
  const pair = new JointPair('pair', model<string>('texts', () => 0).model, refusing, true);
  const error = await pair.embed([{ text: '', pictures: [first] }, { text: 'a', pictures: [first, second] }]).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ index: 2, detail: 'it is broken' });
});

it('is no pair when the lengths of their vectors differ', () => {
  expect(() => new JointPair('pair', model<string>('texts', () => 0).model, model<Uint8Array>('pictures', () => 0, 4).model, true)).toThrow('share no space');
});
