import { TritonBusy, TritonDeadline, TritonUnavailable, TritonUnknownModel } from '@touchstone/triton-client';
import type { InferOptions, Tensor, TritonClient } from '@touchstone/triton-client';

import { ModelNotReady } from './models.errors.ts';

/** Calls a model and says `ModelNotReady` for all that may pass: no server, no weights yet, a full queue, a late answer. */
export async function callModel(
  triton: TritonClient,
  model: string,
  inputs: Readonly<Record<string, Tensor>>,
  options: InferOptions,
): Promise<Record<string, Tensor>> {
  try {
    return await triton.infer(model, inputs, options);
  } catch (error) {
    if (error instanceof TritonBusy) throw new ModelNotReady(model, error.detail, 1, { cause: error });
    const isPassing = error instanceof TritonUnavailable || error instanceof TritonDeadline || error instanceof TritonUnknownModel;
    if (isPassing) throw new ModelNotReady(model, error.detail, 5, { cause: error });
    throw error;
  }
}

/** Splits `[count, dimension]` into rows of length 1. A row of zeros stays as it is. */
export function unitRows({ shape, data }: Tensor, dimension: number): Float32Array[] {
  const [count, width] = shape;
  if (shape.length !== 2 || width !== dimension || !(data instanceof Float32Array)) {
    throw new Error(`expected FP32 [n, ${dimension}] from the model and got ${data.constructor.name} [${shape}]`);
  }
  return Array.from({ length: count }, (_, row) => {
    const vector = data.slice(row * width, (row + 1) * width);
    const norm = Math.hypot(...vector);
    return norm === 0 ? vector : vector.map((value) => value / norm);
  });
}
