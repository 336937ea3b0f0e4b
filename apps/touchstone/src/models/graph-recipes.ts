import { evocutSelection } from '@touchstone/compression';
import { editGraph, emptyModel, type GraphEdit, type OnnxConstant, type OnnxNode } from '@touchstone/onnx-graph';
import { readTensor } from './safetensors.ts';

/** The mean of token vectors FP32 [n, tokens, d] that `attention_mask` keeps, as `vector`. */
const maskedMean = (tokens: string): OnnxNode[] => [
  { type: 'Cast', inputs: ['attention_mask'], output: 'touchstone_mask', attributes: { to: 1 } },
  { type: 'Unsqueeze', inputs: ['touchstone_mask', 'touchstone_last_axis'], output: 'touchstone_mask_column' },
  { type: 'Mul', inputs: [tokens, 'touchstone_mask_column'], output: 'touchstone_masked' },
  { type: 'ReduceSum', inputs: ['touchstone_masked', 'touchstone_token_axis'], output: 'touchstone_sum', attributes: { keepdims: 0 } },
  { type: 'ReduceSum', inputs: ['touchstone_mask', 'touchstone_token_axis'], output: 'touchstone_count', attributes: { keepdims: 1 } },
  { type: 'Div', inputs: ['touchstone_sum', 'touchstone_count'], output: 'vector' },
];
const maskedMeanConstants: OnnxConstant[] = [
  { name: 'touchstone_last_axis', type: 'INT64', dims: [1], data: BigInt64Array.of(-1n) },
  { name: 'touchstone_token_axis', type: 'INT64', dims: [1], data: BigInt64Array.of(1n) },
];

/**
 * Mean of the token vectors that the mask keeps, so that [n, 384] leaves the server instead of [n, tokens, 384]: the
 * pooling of Sentence-BERT, arXiv:1908.10084. A text has one segment, so the segment ids become zeros inside.
 */
const meanPooling: GraphEdit = {
  removed: ['token_type_ids', 'last_hidden_state'],
  before: [{ type: 'Sub', inputs: ['input_ids', 'input_ids'], output: 'token_type_ids' }],
  constants: maskedMeanConstants,
  after: maskedMean('last_hidden_state'),
  outputs: [{ name: 'vector', type: 'FLOAT', shape: ['batch', 384] }],
};

/**
 * Mean of the patch tokens of one of twelve layers, each normalised. These weights were trained on for saliency, and the
 * last layers forgot what a picture shows: model-repository/CONTRACT.md has the measurement of every layer.
 *
 * @param layer from 1.
 */
const patchMean = (layer: number): GraphEdit => patchMeanOf(dinov2Layer(layer));

const patchMeanOf = (layer: string): GraphEdit => ({
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
});

const selection = evocutSelection({
  layers: Array.from({ length: 8 }, (_, index) => dinov2Layer(5 + index)),
  attention: {
    weights: '/backbone/encoder/layer.10/attention/attention/Softmax_output_0',
    keys: '/backbone/encoder/layer.10/attention/attention/Reshape_output_0',
    keyWidth: 64,
  },
  firstPatch: 1,
  width: 384,
});

/**
 * Tokens of a picture of any size in whole patches, from the middle of twelve layers on, with EvoCut's selection behind
 * them: what the page calls l0 = 6 compares the states after the fifth layer and each later one. Position embeddings of
 * other sizes than 224 × 224 are interpolated (bicubic) by the export itself.
 */
const visualTokens: GraphEdit = {
  ...selection,
  removed: ['input_image', 'output_importance'],
  inputs: [{ name: 'pixel_values', type: 'FLOAT', shape: ['batch', 3, 'height', 'width'] }, ...selection.inputs],
  before: [identity('pixel_values', 'input_image')],
};

/**
 * Token vectors that need no context, and their mean: WordLlama, a safetensors file with one table [tokens, d] of FLOAT16,
 * becomes a graph that takes what every text model takes.
 */
function tokenAverage(safetensors: Uint8Array): Uint8Array {
  const { dtype, shape, bytes } = readTensor(safetensors, 'embedding.weight');
  if (dtype !== 'F16' || shape.length !== 2) throw new Error(`embedding.weight is ${dtype} [${shape}], expected F16 [tokens, dimension]`);
  return editGraph(emptyModel(), {
    removed: [],
    inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, type: 'INT64', shape: ['batch', 'tokens'] })),
    constants: [{ name: 'touchstone_table', type: 'FLOAT16', dims: shape, data: bytes }, ...maskedMeanConstants],
    after: [
      { type: 'Gather', inputs: ['touchstone_table', 'input_ids'], output: 'touchstone_halves' },
      { type: 'Cast', inputs: ['touchstone_halves'], output: 'touchstone_tokens', attributes: { to: 1 } },
      ...maskedMean('touchstone_tokens'),
    ],
    outputs: [{ name: 'vector', type: 'FLOAT', shape: ['batch', shape[1]] }],
  });
}

const edited = (edit: GraphEdit) => (model: Uint8Array) => editGraph(model, edit);

/** What the manifest's `edit.recipe` names: bytes of a source → bytes of the graph that runs. */
export const graphRecipes = {
  'mean-pooling': edited(meanPooling),
  'patch-mean': edited(patchMean(9)),
  'patch-mean-layer-8': edited(patchMean(8)),
  'token-average': tokenAverage,
  'visual-tokens': edited(visualTokens),
} as const satisfies Record<string, (source: Uint8Array) => Uint8Array>;

/** Hidden states after a layer, from 1, in the export of a vision transformer by PyTorch. */
function dinov2Layer(layer: number): string {
  return `/backbone/encoder/layer.${layer - 1}/Add_1_output_0`;
}

function identity(input: string, output: string): OnnxNode {
  return { type: 'Identity', inputs: [input], output };
}
