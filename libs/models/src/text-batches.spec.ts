import { expect, it } from 'vitest';

import { paddedLength, textBatches } from './text-batches.ts';

it.each([
  [1, 8],
  [8, 8],
  [9, 16],
  [64, 64],
  [65, 96],
  [250, 256],
  [256, 256],
])('pads %d tokens to %d', (tokens, padded) => expect(paddedLength(tokens, 256)).toBe(padded));

it('never pads beyond the maximum', () => expect(paddedLength(90, 92)).toBe(92));

it('sends texts of similar length together, full batches first, each text once', () => {
  const batches = textBatches([3, 60, 5, 7, 8, 59], 3, 256);
  expect(batches).toEqual([
    { rows: [0, 2, 3], length: 8 },
    { rows: [4], length: 8 },
    { rows: [5, 1], length: 64 },
  ]);
});

it('sends nothing for nothing', () => expect(textBatches([], 16, 256)).toEqual([]));
