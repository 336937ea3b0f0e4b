import { expect, it } from 'vitest';
import { reference } from './oracle/reference.ts';
import { gridPositions, placePicture } from './prompt.ts';

const { prompt, shape, tokens } = reference;

it.each(reference.runs)('$name: places and positions', ({ kept, positions, inputIds, positionIds }) => {
  expect(placePicture(prompt, shape.pictureId, { kept, tokens: tokens.dims[0] }, positions)).toMatchObject({ inputIds, positionIds });
});

it('the answer goes on behind the prompt', () => {
  expect(placePicture([7, 9, 8], 9, { kept: [1, 5], tokens: 6 })).toEqual({ inputIds: [7, 9, 9, 8], positionIds: [0, 2, 6, 7], nextPosition: 8 });
  expect(placePicture([7, 9, 8], 9, { kept: [1, 5], tokens: 6 }, 'sequential')).toEqual({ inputIds: [7, 9, 9, 8], positionIds: [0, 1, 2, 3], nextPosition: 4 });
});

it('positions differ by the way of counting only where tokens were dropped', () => {
  const whole = { kept: [0, 1, 2, 3], tokens: 4 };
  expect(placePicture([7, 9, 8], 9, whole, 'sequential')).toEqual(placePicture([7, 9, 8], 9, whole));
});

it.each(reference.qwen)('Qwen2.5-VL, $rows × $columns, kept $kept', ({ rows, columns, kept, positionIds }) => {
  expect(gridPositions(prompt, shape.pictureId, kept, { rows, columns })).toEqual(positionIds);
});

it.each([
  ['no picture', [7, 8], [0]],
  ['two pictures', [9, 7, 9], [0]],
])('refuses a prompt with %s', (_, ids, kept) => expect(() => placePicture(ids, 9, { kept, tokens: 4 })).toThrow('expected the picture once'));

it.each([[[1, 1]], [[2, 1]], [[0, 4]], [[-1]], [[0.5, Number.NaN]]])('refuses %j of 4 tokens', (kept) =>
  expect(() => placePicture([9], 9, { kept, tokens: 4 })).toThrow('expected an ascending list of tokens below 4'));
