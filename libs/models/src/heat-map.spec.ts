import { expect, it } from 'vitest';
import { drawHeatMap } from './heat-map.ts';

/** A black picture of 16 × 16 under a map of 2 × 2 cells. */
function drawn(levels: number[], framed: number[]): (x: number, y: number) => number[] {
  const pixels = new Uint8Array(16 * 16 * 3);
  drawHeatMap(pixels, 16, 16, { rows: 2, columns: 2, levels: Uint8Array.from(levels), framed: Uint8Array.from(framed) });
  return (x, y) => [...pixels.slice((y * 16 + x) * 3, (y * 16 + x) * 3 + 3)];
}

it('colours each cell by its level, half of it the picture', () => {
  const at = drawn([0, 255, 128, 64], [0, 0, 0, 0]);
  expect(at(0, 0)).toEqual([34, 1, 42]); // half of 68, 1, 84
  expect(at(15, 7)).toEqual([127, 116, 19]); // half of 253, 231, 37
  expect(at(7, 8)).toEqual(at(0, 15));
  expect(at(8, 8)).not.toEqual(at(7, 8));
});

it('frames cells in white, those that touch together', () => {
  const alone = drawn([0, 0, 0, 0], [1, 0, 0, 0]);
  for (const [x, y] of [[0, 0], [7, 3], [3, 7]]) expect(alone(x, y)).toEqual([255, 255, 255]);
  for (const [x, y] of [[3, 3], [8, 0], [8, 8]]) expect(alone(x, y)).toEqual([34, 1, 42]);
  const both = drawn([0, 0, 0, 0], [1, 1, 0, 0]);
  expect(both(7, 3)).toEqual([34, 1, 42]);
  expect(both(7, 7)).toEqual([255, 255, 255]);
});
