import type { Tensor, TritonClient } from '@touchstone/triton-client';

import { versionOf, type ModelEntry, type Preparation } from './manifest.ts';
import { pixelTensor } from './picture-pixels.ts';
import type { PictureProcesses } from './picture-processes.ts';
import { callModel } from './triton-call.ts';
import type { EncodedPicture, EncodeOptions, TokenGrid, VisionEncoder, VisionOutputs } from './vision-encoder.ts';

type Output = keyof VisionOutputs;
/** Names of the graph's outputs. */
const outputNames: Readonly<Record<Output, string>> = {
  scores: 'scores',
  keptTokens: 'kept_tokens',
  allTokens: 'all_tokens',
  variation: 'variation',
  classAttention: 'class_attention',
  attentionKeys: 'attention_keys',
};

/** Visual tokens by a logical model whose graph selects: normalised pixels out, what was asked for back. */
export class TritonVisionEncoder implements VisionEncoder {
  readonly version: string;
  readonly grid: TokenGrid;
  readonly width: number;
  readonly layers: number;
  readonly outputs: readonly Output[];
  private readonly batchSize: number;
  private readonly preparation: Preparation;
  private readonly patch: number;

  constructor(
    private readonly triton: TritonClient,
    readonly name: string,
    { encoder, preparation, ...entry }: ModelEntry,
    private readonly pictures: PictureProcesses,
  ) {
    if (encoder === undefined || preparation === undefined) throw new Error(`the manifest does not say how ${name} encodes pictures (encoder, preparation)`);
    this.version = versionOf(entry);
    this.grid = { rows: preparation.crop / encoder.patch, columns: preparation.crop / encoder.patch };
    this.width = entry.dimension;
    this.layers = encoder.layers;
    this.outputs = (Object.keys(outputNames) as Output[]).filter((output) => encoder.hasAttention || (output !== 'classAttention' && output !== 'attentionKeys'));
    this.batchSize = entry.batch;
    this.preparation = preparation;
    this.patch = encoder.patch;
  }

  async encode<Wanted extends Output = never>(pictures: readonly Uint8Array[], options: EncodeOptions<Wanted>): Promise<EncodedPicture<Wanted>[]> {
    const { kept, outputs, momentum = 0.95, selectLayer = -1, side = this.grid.rows, signal } = options;
    this.check({ kept, outputs, momentum, selectLayer, side });
    signal?.throwIfAborted();
    const preparation = resized(this.preparation, side * this.patch);
    const prepared = await Promise.all(pictures.map((bytes, index) => this.pictures.prepare(bytes, preparation, index, signal)));

    const batches: Promise<EncodedPicture<Wanted>[]>[] = [];
    for (let start = 0; start < prepared.length; start += this.batchSize) {
      const batch = prepared.slice(start, start + this.batchSize);
      const count = batch.length;
      const inputs = {
        pixel_values: pixelTensor(batch, preparation),
        ranks: { shape: [count, kept], data: BigInt64Array.from({ length: count * kept }, (_, index) => BigInt(index % kept)) },
        momentum: { shape: [count, 1], data: new Float32Array(count).fill(momentum) },
        select_layer: { shape: [count, 1], data: new BigInt64Array(count).fill(BigInt(selectLayer)) },
      };
      const call = callModel(this.triton, this.name, inputs, { outputs: ['indices', ...outputs.map((output) => outputNames[output])], signal });
      batches.push(call.then((answer) => Array.from({ length: count }, (_, row) => this.encoded(answer, row, count, side, outputs))));
    }
    return (await Promise.all(batches)).flat();
  }

  private encoded<Wanted extends Output>(answer: Record<string, Tensor>, row: number, count: number, side: number, outputs: readonly Wanted[]): EncodedPicture<Wanted> {
    const values = outputs.map((output) => [output, rowOf(answer[outputNames[output]].data as Float32Array, row, count)] as const);
    return {
      ...(Object.fromEntries(values) as Pick<VisionOutputs, Wanted>),
      grid: { rows: side, columns: side },
      indices: Int32Array.from(rowOf(answer.indices.data as BigInt64Array, row, count), Number),
    };
  }

  private check({ kept, outputs, momentum, selectLayer, side }: Required<Omit<EncodeOptions<Output>, 'signal'>>): void {
    const isInteger = (name: string, value: number, least: number, most: number) => {
      if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`${name}: expected an integer from ${least} to ${most}, got ${value}`);
    };
    isInteger('side', side, 1, this.grid.rows);
    isInteger('kept', kept, 1, side * side);
    isInteger('selectLayer', selectLayer, -this.layers, -1);
    if (!(momentum >= 0 && momentum < 1)) throw new RangeError(`momentum: expected a number from 0 to below 1, got ${momentum}`);
    const absent = outputs.find((output) => !this.outputs.includes(output));
    if (absent !== undefined) throw new RangeError(`outputs: ${this.name} has no ${absent}; it has ${this.outputs.join(', ')}`);
  }
}

/** The same preparation for a picture of another size. */
function resized(preparation: Preparation, crop: number): Preparation {
  return { ...preparation, crop, resize: Math.round((preparation.resize * crop) / preparation.crop) };
}

/** Numbers of one row of a tensor with `count` rows. */
function rowOf<Numbers extends Float32Array | BigInt64Array>(data: Numbers, row: number, count: number): Numbers {
  const size = data.length / count;
  return data.slice(row * size, (row + 1) * size) as Numbers;
}
