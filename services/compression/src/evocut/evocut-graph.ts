/**
 * EvoCut as plain operators at the end of an encoder's graph, for a batch of pictures: K tokens leave the server instead of
 * the hidden states of a dozen layers. evocut.ts says what each line means. Steps are neither cut nor divided by their length,
 * which would be copies: tokens before the first patch have the weight 0, and a cosine is divided where it is one number.
 * Steps and groups are DOUBLE: of two groups equally near the rounding of FLOAT takes the other one in every twentieth photo.
 */
import { elementTypes, type GraphEdit, type OnnxConstant, type OnnxNode } from '@touchstone/onnx-graph';
import { type EvocutParameters, paperParameters, shortestStep } from './evocut.ts';

/** An encoder whose hidden states FP32 [n, tokens, width] are tensors of its graph; patches are its last tokens. */
export interface EncoderGraph {
  /** Names of hidden states, in the order of the layers; the first is the one before the first transition. */
  readonly layers: readonly string[];
  /** Of the last layer but one: attention FP32 [n, heads, tokens, tokens] after its softmax, the first token that of the class, and keys FP32 [n, tokens, heads, size]. */
  readonly attention?: { readonly weights: string; readonly keys: string; readonly keyWidth: number };
  /** Position of the first patch: those before it, such as a class token, are not candidates. */
  readonly firstPatch: number;
  readonly width: number;
}

/**
 * What to add, for N patches, as many as a picture has. New inputs:
 * - `ranks` INT64 [n, K], which ranks to keep, 0 the highest score; a server joins only requests with the same K
 * - `momentum` FP32 [n, 1], α
 * - `select_layer` INT64 [n, 1], the hidden state that tokens are taken from, a position in `layers`, -1 the last
 *
 * New outputs, of patches alone: `scores` FP32 [n, N]; `indices` INT64 [n, K], ascending; `kept_tokens` FP32 [n, K, width];
 * `all_tokens` FP32 [n, N, width]; `variation` FP32 [n, N], the mean length of a step; and, of an encoder that shows its
 * attention, `class_attention` FP32 [n, N], what the class token pays, summed over heads, and `attention_keys` FP32
 * [n, N, size], the mean over heads.
 */
export function evocutSelection(
  { layers, attention, firstPatch, width }: EncoderGraph,
  { groups, iterations }: Omit<EvocutParameters, 'momentum'> = paperParameters,
): Required<Pick<GraphEdit, 'inputs' | 'outputs' | 'constants' | 'after'>> {
  const constants: OnnxConstant[] = [];
  const after: OnnxNode[] = [];
  const constant = (made: OnnxConstant) => {
    constants.push(made);
    return made.name;
  };
  const numbers = (name: string, ...values: number[]) => constant({ name: prefixed(name), type: 'FLOAT', dims: [values.length], data: Float32Array.from(values) });
  const doubles = (name: string, value: number) => constant({ name: prefixed(name), type: 'DOUBLE', dims: [1], data: Float64Array.of(value) });
  const integers = (name: string, ...values: number[]) => constant({ name: prefixed(name), type: 'INT64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  const [one, last, end] = [integers('one', 1), integers('last', -1), integers('end', Number.MAX_SAFE_INTEGER)];
  const [first, groupCount] = [integers('first_patch', firstPatch), integers('groups', groups)];
  const [shortest, none, whole, offOn] = [doubles('shortest_step', shortestStep), doubles('none', 0), doubles('whole', 1), numbers('off_on', 0, 1)];

  /** Adds a node whose output has a name of the selection's own. */
  const node = (type: string, inputs: readonly string[], name: string, attributes?: OnnxNode['attributes']): string => {
    after.push({ type, inputs, output: prefixed(name), attributes });
    return prefixed(name);
  };
  const largest = (values: string, count: string, order: 0 | 1, name: string) => {
    after.push({ type: 'TopK', inputs: [values, count], output: prefixed(`${name}_values`), moreOutputs: [prefixed(name)], attributes: { axis: -1, largest: order, sorted: 1 } });
    return prefixed(name);
  };
  const size = (tensor: string, name: string) => node('Gather', [node('Shape', [tensor], `${name}_shape`), one], name);
  const patchesOf = (values: string, name: string) => node('Slice', [values, first, end, last], name);

  // strideTokens, of a number of patches that is known when the graph runs.
  const patches = node('Sub', [size(layers[0], 'tokens'), first], 'patches');
  const strides = node('Mul', [integers('group_numbers', ...Array(groups).keys()), node('Sub', [patches, one], 'last_patch')], 'strides');
  const starts = node('Add', [node('Div', [strides, integers('gaps', Math.max(groups - 1, 1))], 'start_patches'), first], 'starts');

  const column = (values: string, name: string) => node('Unsqueeze', [values, last], name);
  const notPatches = integers('not_patches', 0, firstPatch, 0, 0);
  const unit = (vectors: string, name: string) => {
    const length = node('ReduceL2', [vectors], `${name}_length`, { axes: [-1], keepdims: 1 });
    return { length, units: node('Div', [vectors, node('Max', [length, shortest], `${name}_divisor`)], name) };
  };
  const cast = (values: string, type: keyof typeof elementTypes, name: string) => node('Cast', [values], name, { to: elementTypes[type] });
  /** Length and deviation of each token's step from one layer to the next, FLOAT [n, tokens, 1] each. */
  const transition = (older: string, newer: string, layer: number) => {
    const own = (name: string) => `${name}_${layer}`;
    const step = node('Sub', [newer, older], own('step')); // [n, tokens, width]
    const length = node('ReduceL2', [step], own('length'), { axes: [-1], keepdims: 0 });
    const divisor = node('Max', [length, shortest], own('divisor'));
    const patchWeights = patchesOf(node('Reciprocal', [divisor], own('inverse')), own('patch_weight'));
    const weights = node('Unsqueeze', [node('Pad', [patchWeights, notPatches], own('weight')), one], own('weights')); // [n, 1, tokens]

    let centers = unit(node('Gather', [step, starts], own('start_steps'), { axis: 1 }), own('centers')).units; // [n, M, width]
    const products = (round: number) => node('MatMul', [step, node('Transpose', [centers], own(`turned_${round}`), { perm: [0, 2, 1] })], own(`products_${round}`));
    let product = products(0); // [n, tokens, M]
    for (let round = 1; round <= iterations; round++) {
      const group = node('ArgMax', [product], own(`group_${round}`), { axis: -1, keepdims: 0 });
      const member = node('OneHot', [group, groupCount, offOn], own(`member_${round}`), { axis: 1 }); // [n, M, tokens]
      const sum = node('MatMul', [node('Mul', [cast(member, 'DOUBLE', own(`weighed_${round}`)), weights], own(`share_${round}`)), step], own(`sum_${round}`));
      const mean = unit(sum, own(`mean_${round}`));
      centers = node('Where', [node('Less', [mean.length, shortest], own(`is_empty_${round}`)), centers, mean.units], own(`centers_${round}`));
      product = products(round);
    }
    const best = node('Div', [node('ReduceMax', [product], own('best'), { axes: [-1], keepdims: 0 }), divisor], own('cosine'));
    const isStill = node('Less', [length, shortest], own('is_still'));
    const deviation = node('Where', [isStill, none, node('Sub', [whole, best], own('apart'))], own('deviation'));
    return { length: column(cast(length, 'FLOAT', own('single_length')), own('length_column')), deviation: column(cast(deviation, 'FLOAT', own('single_deviation')), own('deviation_column')) };
  };
  const states = layers.map((layer, index) => cast(layer, 'DOUBLE', `state_${index}`));
  const transitions = states.slice(1).map((newer, index) => transition(states[index], newer, index));
  const columns = (name: 'length' | 'deviation') => node('Concat', transitions.map((each) => each[name]), `${name}s`, { axis: -1 }); // [n, tokens, L]

  // The running average from 0, written out: the newest transition has the weight 1 − α, the one before it (1 − α)·α, …
  const ages = numbers('ages', ...transitions.map((_, index) => transitions.length - 1 - index));
  const past = node('Mul', [node('Pow', ['momentum', ages], 'powers'), node('Sub', [numbers('one_momentum', 1), 'momentum'], 'newest')], 'momenta'); // [n, L]
  const averages = node('MatMul', [columns('deviation'), column(past, 'momentum_columns')], 'averages');
  const named = (name: string, values: string) => after.push({ type: 'Slice', inputs: [values, first, end, last], output: name });
  named('scores', node('Squeeze', [averages, last], 'average'));
  named('variation', node('ReduceMean', [columns('length')], 'mean_length', { axes: [-1], keepdims: 0 }));
  if (attention !== undefined) {
    const classRow = node('Gather', [attention.weights, integers('class_token', 0)], 'class_row', { axis: 2 });
    named('class_attention', node('ReduceSum', [classRow, integers('heads_and_query', 1, 2)], 'class_sum', { keepdims: 0 }));
    after.push({ type: 'Slice', inputs: [node('ReduceMean', [attention.keys], 'keys', { axes: [2], keepdims: 0 }), first, end, one], output: 'attention_keys' });
  }

  const order = largest('scores', patches, 1, 'order');
  const chosen = node('GatherElements', [order, 'ranks'], 'chosen', { axis: 1 });
  largest(chosen, size('ranks', 'count'), 0, 'places');
  after.push({ type: 'Identity', inputs: [prefixed('places_values')], output: 'indices' });

  // [n, layers, tokens, width]; a picture's own layer of it
  const stack = node('Concat', layers.map((layer, index) => node('Unsqueeze', [layer, one], `layer_${index}`)), 'layers', { axis: 1 });
  const selected = node('GatherND', [stack, 'select_layer'], 'selected', { batch_dims: 1 }); // [n, tokens, width]
  after.push({ type: 'Slice', inputs: [selected, first, end, one], output: 'all_tokens' });
  after.push({ type: 'GatherND', inputs: ['all_tokens', column('indices', 'index_rows')], output: 'kept_tokens', attributes: { batch_dims: 1 } });

  return {
    constants,
    after,
    inputs: [
      { name: 'ranks', type: 'INT64', shape: ['batch', 'kept'] },
      { name: 'momentum', type: 'FLOAT', shape: ['batch', 1] },
      { name: 'select_layer', type: 'INT64', shape: ['batch', 1] },
    ],
    outputs: [
      { name: 'scores', type: 'FLOAT', shape: ['batch', 'patches'] },
      { name: 'indices', type: 'INT64', shape: ['batch', 'kept'] },
      { name: 'kept_tokens', type: 'FLOAT', shape: ['batch', 'kept', width] },
      { name: 'all_tokens', type: 'FLOAT', shape: ['batch', 'patches', width] },
      { name: 'variation', type: 'FLOAT', shape: ['batch', 'patches'] },
      ...(attention === undefined
        ? []
        : [
            { name: 'class_attention', type: 'FLOAT' as const, shape: ['batch', 'patches'] },
            { name: 'attention_keys', type: 'FLOAT' as const, shape: ['batch', 'patches', attention.keyWidth] },
          ]),
    ],
  };
}

const prefixed = (name: string) => `evocut_${name}`;
