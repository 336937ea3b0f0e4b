import { evolutionScores, keptTokens, paperParameters, variationScores } from '@touchstone/compression';
import { PictureRefused, type Models } from '@touchstone/models';
import type { TritonClient } from '@touchstone/triton-client';
import { expect, it } from 'vitest';

import { cosine, pictures } from './samples.ts';

/** What CONTRACT.md of model-repository says of `encode-vision`, over the real weights. */
export function visionEncoderContract(connected: () => { client: TritonClient; models: Models }): void {
  const encoder = () => connected().models.encoder!;
  const tokens = 256;
  const kept = 28;

  it('has encode-vision with the tensors of the contract', async () => {
    const { inputs, outputs } = await connected().client.modelMetadata('encode-vision');
    expect(inputs).toEqual([
      { name: 'pixel_values', datatype: 'FP32', shape: [-1, 3, -1, -1] },
      { name: 'ranks', datatype: 'INT64', shape: [-1, -1] },
      { name: 'momentum', datatype: 'FP32', shape: [-1, 1] },
      { name: 'select_layer', datatype: 'INT64', shape: [-1, 1] },
    ]);
    expect(outputs).toEqual([
      { name: 'indices', datatype: 'INT64', shape: [-1, -1] },
      { name: 'scores', datatype: 'FP32', shape: [-1, -1] },
      { name: 'kept_tokens', datatype: 'FP32', shape: [-1, -1, 384] },
      { name: 'all_tokens', datatype: 'FP32', shape: [-1, -1, 384] },
      { name: 'variation', datatype: 'FP32', shape: [-1, -1] },
      { name: 'class_attention', datatype: 'FP32', shape: [-1, -1] },
      { name: 'attention_keys', datatype: 'FP32', shape: [-1, -1, 64] },
    ]);
    expect(encoder()).toMatchObject({ name: 'encode-vision', grid: { rows: 16, columns: 16 }, width: 384, layers: 8 });
  });

  it.each([
    ['four small pictures', 8, pictures],
    ['one of the usual size', 16, [pictures[2]]],
  ])('selects in its graph what evocut.ts selects from its hidden states: %s', async (_, side, chosen) => {
    const { width, layers } = encoder();
    const tokens = side * side;
    const states = await Promise.all(Array.from({ length: layers }, (__, layer) => encoder().encode(chosen, { kept: 1, outputs: ['allTokens'], selectLayer: layer - layers, side })));
    const encoded = await encoder().encode(chosen, { kept, outputs: ['scores', 'keptTokens', 'variation'], selectLayer: -2, side });
    for (const [picture, { indices, scores, keptTokens: rows, variation }] of encoded.entries()) {
      const own = { layers: states.map((layer) => layer[picture].allTokens), tokens, width };
      const expected = evolutionScores(own);
      expect([scores.length, variation.length]).toEqual([tokens, tokens]);
      expected.forEach((score, token) => expect(scores[token]).toBeCloseTo(score, 5));
      variationScores(own).forEach((score, token) => expect(variation[token]).toBeCloseTo(score, 4));
      expect([...indices]).toEqual([...keptTokens(expected, kept)]);
      expect(rows).toEqual(Float32Array.from([...indices].flatMap((token) => [...own.layers[layers - 2].subarray(token * width, (token + 1) * width)])));
    }
    const [fast] = await encoder().encode(chosen.slice(0, 1), { kept, outputs: ['scores'], momentum: 0, side });
    const newest = evolutionScores({ layers: states.map((layer) => layer[0].allTokens), tokens, width }, { ...paperParameters, momentum: 0 });
    newest.forEach((score, token) => expect(fast.scores[token]).toBeCloseTo(score, 5));
  });

  it('says what attention the class token pays: a part of what its heads have', async () => {
    for (const { classAttention, attentionKeys } of await encoder().encode(pictures, { kept, outputs: ['classAttention', 'attentionKeys'] })) {
      const sum = classAttention.reduce((a, b) => a + b, 0);
      expect(Math.min(...classAttention)).toBeGreaterThanOrEqual(0);
      expect(sum).toBeGreaterThan(0.1);
      expect(sum).toBeLessThan(6);
      expect(attentionKeys).toHaveLength(tokens * 64);
    }
  });

  it('keeps the same tokens of a picture alone and in a batch, and brings nothing that was not asked for', async () => {
    const together = await encoder().encode(pictures, { kept, outputs: ['keptTokens'] });
    for (const [index, picture] of pictures.entries()) {
      const [alone] = await encoder().encode([picture], { kept, outputs: ['keptTokens'] });
      expect(alone.indices).toEqual(together[index].indices);
      alone.keptTokens.forEach((value, at) => expect(value).toBeCloseTo(together[index].keptTokens[at], 3));
      expect(Object.keys(alone).sort()).toEqual(['grid', 'indices', 'keptTokens']);
    }
  });

  it('gives a smaller picture fewer tokens, and one of the usual size those that the embedding is made of', async () => {
    const [small] = await encoder().encode([pictures[3]], { kept: 25, outputs: ['keptTokens', 'allTokens'], side: 5 });
    expect(small.grid).toEqual({ rows: 5, columns: 5 });
    expect([...small.indices]).toEqual(Array.from({ length: 25 }, (_, token) => token));
    expect(small.keptTokens).toEqual(small.allTokens);

    // The other graph has one size, so its position embeddings are those of the export, interpolated by nobody here.
    const { client } = connected();
    const pixels = { shape: [1, 3, 224, 224], data: Float32Array.from({ length: 3 * 224 * 224 }, (_, at) => Math.sin(at * at)) };
    const { vector } = await client.infer('embed-image', { pixel_values: pixels });
    const asked = { pixel_values: pixels, ranks: integers([1, 1], 0n), momentum: { shape: [1, 1], data: Float32Array.of(0.95) }, select_layer: integers([1, 1], -4n) };
    const { all_tokens: all } = await client.infer('encode-vision', asked, { outputs: ['all_tokens'] });
    expect(cosine(unit(meanOfNormalised(all.data as Float32Array, 384)), unit(vector.data as Float32Array))).toBeCloseTo(1, 6);
  });

  it('refuses what is out of range, and what is no picture', async () => {
    const encode = (options: object) => encoder().encode(pictures.slice(0, 1), { kept, outputs: [], ...options });
    await expect(encode({ kept: 0 })).rejects.toThrow('kept: expected an integer from 1 to 256, got 0');
    await expect(encode({ kept: 26, side: 5 })).rejects.toThrow('kept: expected an integer from 1 to 25, got 26');
    await expect(encode({ selectLayer: -9 })).rejects.toThrow('selectLayer: expected an integer from -8 to -1, got -9');
    await expect(encode({ side: 17 })).rejects.toThrow('side: expected an integer from 1 to 16, got 17');
    await expect(encode({ momentum: Number.NaN })).rejects.toThrow('momentum: expected a number from 0 to below 1, got NaN');
    await expect(encoder().encode([pictures[0], Buffer.from('no picture')], { kept, outputs: [] })).rejects.toThrow(PictureRefused);
  });
}

const integers = (shape: number[], ...data: bigint[]) => ({ shape, data: BigInt64Array.from(data) });

const unit = (vector: Float32Array) => vector.map((value) => value / Math.hypot(...vector));

/** Mean of rows, each with mean 0 and deviation 1: what the graph of `embed-image` makes of its patches. */
function meanOfNormalised(rows: Float32Array, width: number): Float32Array {
  const mean = new Float32Array(width);
  for (let at = 0; at < rows.length; at += width) {
    const row = rows.subarray(at, at + width);
    const centre = row.reduce((a, b) => a + b, 0) / width;
    const deviation = Math.sqrt(row.reduce((sum, value) => sum + (value - centre) ** 2, 0) / width + 1e-6);
    row.forEach((value, i) => (mean[i] += ((value - centre) / deviation / rows.length) * width));
  }
  return mean;
}
