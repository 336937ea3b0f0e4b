import type { Tensor } from '@touchstone/triton-client';

import type { Preparation } from './manifest.ts';

/** The centre of interleaved pixels; one channel becomes three. */
export function centre(pixels: Uint8Array, width: number, height: number, channels: number, size: number): Uint8Array {
  const left = Math.floor((width - size) / 2);
  const top = Math.floor((height - size) / 2);
  const out = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = ((top + y) * width + left + x) * channels;
      const to = (y * size + x) * 3;
      for (let c = 0; c < 3; c++) out[to + c] = pixels[from + (channels >= 3 ? c : 0)];
    }
  }
  return out;
}

/** FP32 [n, 3, side, side] from n pictures of RGB [side, side, 3]: (value / 255 - mean) / deviation in each channel. */
export function pixelTensor(pictures: readonly Uint8Array[], { crop: side, mean, deviation }: Pick<Preparation, 'crop' | 'mean' | 'deviation'>): Tensor {
  const plane = side * side;
  const data = new Float32Array(pictures.length * 3 * plane);
  pictures.forEach((pixels, picture) => {
    for (let channel = 0; channel < 3; channel++) {
      const offset = (picture * 3 + channel) * plane;
      for (let position = 0; position < plane; position++) {
        data[offset + position] = (pixels[position * 3 + channel] / 255 - mean[channel]) / deviation[channel];
      }
    }
  });
  return { shape: [pictures.length, 3, side, side], data };
}
