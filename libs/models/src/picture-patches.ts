import type { Tensor } from '@touchstone/triton-client';

/** A picture of free size: RGB [height, width, 3]. */
export interface FreePicture {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** How a picture of free size becomes patches. */
export interface PatchShape {
  /** Pixels along a side of a patch. */
  readonly patch: number;
  /** Patches along a side of the square that becomes one token. */
  readonly merge: number;
  /** Frames of a patch; a picture is shown so many times. */
  readonly frames: number;
  /** Of each channel: (value / 255 - mean) / deviation. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/**
 * Patches in the order of Hugging Face's `Qwen2VLImageProcessor`: squares of merge × merge patches row by row, within a square
 * row by row; in a patch channel, frame, row, column.
 *
 * @param pictures whose sides are multiples of patch × merge.
 * @returns `pixel_values` FP32 [patches of all pictures, 3 · frames · patch²], `image_grid_thw` INT64 [pictures, 3]: 1, rows and
 *   columns of patches.
 */
export function patchTensors(pictures: readonly FreePicture[], { patch, merge, frames, mean, deviation }: PatchShape): { pixel_values: Tensor; image_grid_thw: Tensor } {
  const grids = pictures.map(({ width, height }) => ({ rows: height / patch, columns: width / patch }));
  const size = 3 * frames * patch * patch;
  const count = grids.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const data = new Float32Array(count * size);
  let at = 0;
  pictures.forEach(({ pixels, width }, picture) => {
    const { rows, columns } = grids[picture];
    for (let square = 0; square < (rows * columns) / (merge * merge); square++) {
      const firstRow = Math.floor(square / (columns / merge)) * merge;
      const firstColumn = (square % (columns / merge)) * merge;
      for (let inner = 0; inner < merge * merge; inner++) {
        const top = (firstRow + Math.floor(inner / merge)) * patch;
        const left = (firstColumn + (inner % merge)) * patch;
        at = writePatch(data, at, pixels, width, top, left);
      }
    }
  });
  return {
    pixel_values: { shape: [count, size], data },
    image_grid_thw: { shape: [pictures.length, 3], data: BigInt64Array.from(grids.flatMap(({ rows, columns }) => [1n, BigInt(rows), BigInt(columns)])) },
  };

  function writePatch(target: Float32Array, start: number, pixels: Uint8Array, width: number, top: number, left: number): number {
    let to = start;
    for (let channel = 0; channel < 3; channel++) {
      const first = to;
      for (let y = 0; y < patch; y++) {
        for (let x = 0; x < patch; x++) target[to++] = (pixels[((top + y) * width + left + x) * 3 + channel] / 255 - mean[channel]) / deviation[channel];
      }
      for (let frame = 1; frame < frames; frame++) {
        target.copyWithin(to, first, first + patch * patch);
        to += patch * patch;
      }
    }
    return to;
  }
}
