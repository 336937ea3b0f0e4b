import type { Tensor } from '@touchstone/triton-client';

import type { TextBatch } from './text-batches.ts';

/**
 * `input_ids` INT64 [rows, length], and `attention_mask` of the same shape, 1 for a token and 0 for padding. With a
 * padding id of its own a model was trained on padded texts: it gets no mask.
 */
export function tokenTensors({ rows, length }: TextBatch, ids: readonly (readonly number[])[], paddingId?: number): Record<string, Tensor> {
  const shape = [rows.length, length];
  const inputIds = new BigInt64Array(rows.length * length).fill(BigInt(paddingId ?? 0));
  const attentionMask = new BigInt64Array(rows.length * length);
  rows.forEach((row, position) => {
    ids[row].forEach((id, column) => {
      inputIds[position * length + column] = BigInt(id);
      attentionMask[position * length + column] = 1n;
    });
  });
  const tokens = { input_ids: { shape, data: inputIds } };
  return paddingId === undefined ? { ...tokens, attention_mask: { shape, data: attentionMask } } : tokens;
}
