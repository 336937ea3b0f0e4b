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
  const batches = textBatches([3, 60, 5, 7, 8, 59], { rows: 3, tokens: 1_024, maximumTokens: 256 });
  expect(batches).toEqual([
    { rows: [0, 2, 3], length: 8 },
    { rows: [4], length: 8 },
    { rows: [5, 1], length: 64 },
  ]);
});

const limits = { rows: 16, tokens: 1_024, maximumTokens: 256 };

it('sends long texts in smaller batches', () => {
  const batches = textBatches(new Array<number>(6).fill(250), limits);
  expect(batches.map(({ rows }) => rows)).toEqual([[0, 1, 2, 3], [4, 5]]);
});

it('sends nothing for nothing', () => expect(textBatches([], limits)).toEqual([]));
