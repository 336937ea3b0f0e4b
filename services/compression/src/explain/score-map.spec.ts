import { expect, it } from 'vitest';
import { scoreMap } from './score-map.ts';

const grid = { rows: 2, columns: 2 };

it('spreads scores over all colours and frames what is kept', () => {
  expect(scoreMap(Float32Array.of(1, 2, 3, 5), [1, 3], grid)).toEqual({ ...grid, levels: Uint8Array.of(0, 64, 128, 255), framed: Uint8Array.of(0, 1, 0, 1), lowest: 1, highest: 5 });
});

it('of equal scores is all of one colour', () => {
  expect(scoreMap(new Float32Array(4), [], grid).levels).toEqual(Uint8Array.of(128, 128, 128, 128));
});
