import type { GraphEdit, OnnxNode } from './onnx-graph.ts';

/**
 * Mean of the token vectors that the mask keeps, so that [n, 384] leaves the server instead of [n, tokens, 384]: the
 * pooling of Sentence-BERT, arXiv:1908.10084. A text has one segment, so the segment ids become zeros inside.
 */
const meanPooling: GraphEdit = {
  removed: ['token_type_ids', 'last_hidden_state'],
  before: [{ type: 'Sub', inputs: ['input_ids', 'input_ids'], output: 'token_type_ids' }],
  constants: [
    { name: 'touchstone_last_axis', type: 'INT64', dims: [1], data: BigInt64Array.of(-1n) },
    { name: 'touchstone_token_axis', type: 'INT64', dims: [1], data: BigInt64Array.of(1n) },
  ],
  after: [
    { type: 'Cast', inputs: ['attention_mask'], output: 'touchstone_mask', attributes: { to: 1 } },
    { type: 'Unsqueeze', inputs: ['touchstone_mask', 'touchstone_last_axis'], output: 'touchstone_mask_column' },
    { type: 'Mul', inputs: ['last_hidden_state', 'touchstone_mask_column'], output: 'touchstone_masked' },
    { type: 'ReduceSum', inputs: ['touchstone_masked', 'touchstone_token_axis'], output: 'touchstone_sum', attributes: { keepdims: 0 } },
    { type: 'ReduceSum', inputs: ['touchstone_mask', 'touchstone_token_axis'], output: 'touchstone_count', attributes: { keepdims: 1 } },
    { type: 'Div', inputs: ['touchstone_sum', 'touchstone_count'], output: 'vector' },
  ],
  outputs: [{ name: 'vector', type: 'FLOAT', shape: ['batch', 384] }],
};

const layer = '/backbone/encoder/layer.8/Add_1_output_0';

/**
 * Mean of the patch tokens of the ninth of twelve layers, each normalised. These weights were trained on for saliency,
 * and the last layers forgot what a picture shows: model-repository/CONTRACT.md has the measurement of every layer.
 */
const patchMean: GraphEdit = {
  removed: ['input_image', 'output_importance'],
  inputs: [{ name: 'pixel_values', type: 'FLOAT', shape: ['batch', 3, 224, 224] }],
  before: [identity('pixel_values', 'input_image')],
  constants: [
    { name: 'touchstone_epsilon', type: 'FLOAT', dims: [1], data: Float32Array.of(1e-6) },
    { name: 'touchstone_first_patch', type: 'INT64', dims: [1], data: BigInt64Array.of(1n) },
    { name: 'touchstone_after_last_patch', type: 'INT64', dims: [1], data: BigInt64Array.of(257n) },
    { name: 'touchstone_token_axis', type: 'INT64', dims: [1], data: BigInt64Array.of(1n) },
  ],
  after: [
    { type: 'ReduceMean', inputs: [layer], output: 'touchstone_mean', attributes: { axes: [-1], keepdims: 1 } },
    { type: 'Sub', inputs: [layer, 'touchstone_mean'], output: 'touchstone_centred' },
    { type: 'Mul', inputs: ['touchstone_centred', 'touchstone_centred'], output: 'touchstone_squared' },
    { type: 'ReduceMean', inputs: ['touchstone_squared'], output: 'touchstone_variance', attributes: { axes: [-1], keepdims: 1 } },
    { type: 'Add', inputs: ['touchstone_variance', 'touchstone_epsilon'], output: 'touchstone_positive' },
    { type: 'Sqrt', inputs: ['touchstone_positive'], output: 'touchstone_deviation' },
    { type: 'Div', inputs: ['touchstone_centred', 'touchstone_deviation'], output: 'touchstone_tokens' },
    {
      type: 'Slice',
      inputs: ['touchstone_tokens', 'touchstone_first_patch', 'touchstone_after_last_patch', 'touchstone_token_axis'],
      output: 'touchstone_patches',
    },
    { type: 'ReduceMean', inputs: ['touchstone_patches'], output: 'vector', attributes: { axes: [1], keepdims: 0 } },
  ],
  outputs: [{ name: 'vector', type: 'FLOAT', shape: ['batch', 384] }],
};

/** What the manifest's `edit.recipe` names. */
export const graphRecipes = { 'mean-pooling': meanPooling, 'patch-mean': patchMean } as const satisfies Record<string, GraphEdit>;

function identity(input: string, output: string): OnnxNode {
  return { type: 'Identity', inputs: [input], output };
}
