/**
 * EvoCut as plain operators at the end of an encoder's graph, for a batch of pictures: K tokens leave the server instead of
 * the hidden states of a dozen layers. All transitions are computed at once, along a first axis of the arrays; evocut.ts
 * says what each line means.
 */
import type { GraphEdit, OnnxConstant, OnnxNode } from '@touchstone/onnx-graph';
import { type EvocutParameters, paperParameters, shortestStep, strideTokens } from './evocut.ts';

/** An encoder whose hidden states FP32 [n, first patch + patches, width] are tensors of its graph. */
export interface EncoderGraph {
  /** Names of hidden states, in the order of the layers; the first is the one before the first transition. */
  readonly layers: readonly string[];
  /** Name of the hidden state that the kept tokens are taken from: the one that the language model's projector expects. */
  readonly selectLayer: string;
  /** Position of the first patch: those before it, such as a class token, are not candidates. */
  readonly firstPatch: number;
  readonly patches: number;
  readonly width: number;
}

/**
 * What to add. New input: `ranks` INT64 [n, K], which ranks to keep, 0 the highest score; a server joins only requests with
 * the same K. New outputs, of patches alone: `scores` FP32 [n, N]; `indices` INT64 [n, K], ascending; `kept_tokens` FP32
 * [n, K, width]; `all_tokens` FP32 [n, N, width].
 */
export function evocutSelection({ layers, selectLayer, firstPatch, patches, width }: EncoderGraph, parameters: EvocutParameters = paperParameters): Required<Pick<GraphEdit, 'inputs' | 'outputs' | 'constants' | 'after'>> {
  const { groups, iterations, momentum } = parameters;
  const transitions = layers.length - 1;
  // The running average from 0, written out: the newest transition has the weight 1 − α, the one before it (1 − α)·α, …
  const weights = Float32Array.from({ length: transitions }, (_, transition) => (1 - momentum) * momentum ** (transitions - 1 - transition));

  const constants: OnnxConstant[] = [
    integers('first_patch', firstPatch),
    integers('after_last_patch', firstPatch + patches),
    integers('axis_0', 0),
    integers('axis_1', 1),
    integers('axis_last', -1),
    integers('transitions', transitions),
    integers('layers', layers.length),
    integers('start_tokens', ...strideTokens(patches, groups)),
    integers('groups', groups),
    integers('patches', patches),
    floats('shortest_step', shortestStep),
    floats('off_on', 0, 1),
    floats('one', 1),
    floats('none', 0),
    { name: prefixed('weights'), type: 'FLOAT', dims: [transitions, 1, 1], data: weights },
  ];

  const after: OnnxNode[] = [];
  /** Adds a node; names without a slash or dot are this selection's own. */
  const node = (type: string, inputs: readonly string[], output: string, attributes?: OnnxNode['attributes']): string => {
    after.push({ type, inputs, output, attributes });
    return output;
  };
  const own = (type: string, inputs: readonly string[], output: string, attributes?: OnnxNode['attributes']) => node(type, inputs, prefixed(output), attributes);
  const constant = prefixed;
  const patchesOf = (layer: string, output: string) => node('Slice', [layer, constant('first_patch'), constant('after_last_patch'), constant('axis_1')], output);
  const unit = (vectors: string, name: string) => {
    const length = own('ReduceL2', [vectors], `${name}_length`, { axes: [-1], keepdims: 1 });
    const divisor = own('Max', [length, constant('shortest_step')], `${name}_divisor`);
    return { length, units: own('Div', [vectors, divisor], name) };
  };

  const rows = layers.map((layer, index) => own('Unsqueeze', [patchesOf(layer, prefixed(`patches_${index}`)), constant('axis_0')], `row_${index}`));
  const states = own('Concat', rows, 'states', { axis: 0 }); // [L + 1, n, N, width]
  const newer = own('Slice', [states, constant('axis_1'), constant('layers'), constant('axis_0')], 'newer');
  const older = own('Slice', [states, constant('axis_0'), constant('transitions'), constant('axis_0')], 'older');
  const { length: step, units: directions } = unit(own('Sub', [newer, older], 'steps'), 'directions'); // [L, n, N, width]

  let centers = own('Gather', [directions, constant('start_tokens')], 'centers_0', { axis: 2 }); // [L, n, M, width]
  const cosines = (round: number) => own('MatMul', [directions, own('Transpose', [centers], `centers_${round}_turned`, { perm: [0, 1, 3, 2] })], `cosines_${round}`);
  for (let round = 1; round <= iterations; round++) {
    const group = own('ArgMax', [cosines(round - 1)], `group_${round}`, { axis: -1, keepdims: 0 });
    const member = own('OneHot', [group, constant('groups'), constant('off_on')], `member_${round}`);
    const sum = own('MatMul', [own('Transpose', [member], `member_${round}_turned`, { perm: [0, 1, 3, 2] }), directions], `sum_${round}`);
    const { length, units } = unit(sum, `mean_${round}`);
    const isEmpty = own('Less', [length, constant('shortest_step')], `is_empty_${round}`);
    centers = own('Where', [isEmpty, centers, units], `centers_${round}`);
  }
  const best = own('ReduceMax', [cosines(iterations)], 'best', { axes: [-1], keepdims: 0 }); // [L, n, N]
  const isStill = own('Less', [own('Squeeze', [step, constant('axis_last')], 'step'), constant('shortest_step')], 'is_still');
  const deviation = own('Where', [isStill, constant('none'), own('Sub', [constant('one'), best], 'apart')], 'deviation');
  node('ReduceSum', [own('Mul', [deviation, constant('weights')], 'weighted'), constant('axis_0')], 'scores', { keepdims: 0 });

  after.push({ type: 'TopK', inputs: ['scores', constant('patches')], output: prefixed('sorted'), moreOutputs: [prefixed('order')], attributes: { axis: -1, largest: 1, sorted: 1 } });
  const chosen = own('GatherElements', [prefixed('order'), 'ranks'], 'chosen', { axis: 1 });
  const count = own('Gather', [own('Shape', ['ranks'], 'ranks_shape'), constant('axis_1')], 'count', { axis: 0 });
  after.push({ type: 'TopK', inputs: [chosen, count], output: 'indices', moreOutputs: [prefixed('places')], attributes: { axis: -1, largest: 0, sorted: 1 } });
  patchesOf(selectLayer, 'all_tokens');
  node('GatherND', ['all_tokens', own('Unsqueeze', ['indices', constant('axis_last')], 'index_rows')], 'kept_tokens', { batch_dims: 1 });

  return {
    constants,
    after,
    inputs: [{ name: 'ranks', type: 'INT64', shape: ['batch', 'kept'] }],
    outputs: [
      { name: 'scores', type: 'FLOAT', shape: ['batch', patches] },
      { name: 'indices', type: 'INT64', shape: ['batch', 'kept'] },
      { name: 'kept_tokens', type: 'FLOAT', shape: ['batch', 'kept', width] },
      { name: 'all_tokens', type: 'FLOAT', shape: ['batch', patches, width] },
    ],
  };
}

const prefixed = (name: string) => `evocut_${name}`;

const integers = (name: string, ...values: number[]): OnnxConstant => ({ name: prefixed(name), type: 'INT64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });

const floats = (name: string, ...values: number[]): OnnxConstant => ({ name: prefixed(name), type: 'FLOAT', dims: [values.length], data: Float32Array.from(values) });
