import type { Tensor, TritonClient } from '@touchstone/triton-client';

import type { EmbeddingModel } from './embedding-model.ts';
import { versionOf, type ModelEntry } from './manifest.ts';
import type { PictureProcesses } from './picture-processes.ts';
import { callModel, unitRows } from './triton-call.ts';

const side = 224;
/** ImageNet's mean and standard deviation for red, green, blue, as DINOv2 was trained with. */
const mean = [0.485, 0.456, 0.406];
const deviation = [0.229, 0.224, 0.225];

/** Pictures by a logical model of pictures: normalised pixels out, one vector a picture back. */
export class TritonImageEmbedding implements EmbeddingModel<Uint8Array> {
  readonly version: string;
  readonly dimension: number;
  readonly prefixes: readonly number[];
  private readonly batchSize: number;

  constructor(
    private readonly triton: TritonClient,
    readonly name: string,
    entry: ModelEntry,
    private readonly pictures: PictureProcesses,
  ) {
    this.version = versionOf(entry);
    this.dimension = entry.dimension;
    this.prefixes = entry.prefixes;
    this.batchSize = entry.batch;
  }

  /** All pictures are prepared before the first is embedded, so that a refused one costs no inference. */
  async embed(inputs: readonly Uint8Array[], { signal }: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    const prepared = await Promise.all(inputs.map((bytes, index) => this.pictures.prepare(bytes, index, signal)));

    const vectors: Promise<Float32Array[]>[] = [];
    for (let start = 0; start < prepared.length; start += this.batchSize) {
      const pixels = pixelTensor(prepared.slice(start, start + this.batchSize));
      const call = callModel(this.triton, this.name, { pixel_values: pixels }, { outputs: ['vector'], signal });
      vectors.push(call.then(({ vector }) => unitRows(vector, this.dimension)));
    }
    return (await Promise.all(vectors)).flat();
  }
}

/** FP32 [n, 3, 224, 224] from n pictures of RGB [224, 224, 3]. */
export function pixelTensor(pictures: readonly Uint8Array[]): Tensor {
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
