import type { TritonClient } from '@touchstone/triton-client';

import type { EmbeddingModel } from './embedding-model.ts';
import { versionOf, type ModelEntry, type Preparation } from './manifest.ts';
import { pixelTensor } from './picture-pixels.ts';
import type { PictureProcesses } from './picture-processes.ts';
import { callModel, unitRows } from './triton-call.ts';

/** Pictures by a logical model of pictures: normalised pixels out, one vector a picture back. */
export class TritonImageEmbedding implements EmbeddingModel<Uint8Array> {
  readonly version: string;
  readonly dimension: number;
  readonly prefixes: readonly number[];
  private readonly batchSize: number;
  private readonly preparation: Preparation;
  private readonly output: string;

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
    if (entry.preparation === undefined) throw new Error(`the manifest does not say how ${name} wants its pictures (preparation)`);
    this.preparation = entry.preparation;
    this.output = entry.output;
  }

  /** All pictures are prepared before the first is embedded, so that a refused one costs no inference. */
  async embed(inputs: readonly Uint8Array[], { signal }: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    const prepared = await Promise.all(inputs.map((bytes, index) => this.pictures.prepare(bytes, this.preparation, index, signal)));

    const vectors: Promise<Float32Array[]>[] = [];
    for (let start = 0; start < prepared.length; start += this.batchSize) {
      const pixels = pixelTensor(prepared.slice(start, start + this.batchSize), this.preparation);
      const call = callModel(this.triton, this.name, { pixel_values: pixels }, { outputs: [this.output], signal });
      vectors.push(call.then((outputs) => unitRows(outputs[this.output], this.dimension)));
    }
    return (await Promise.all(vectors)).flat();
  }
}
