import { editGraph, emptyModel, type OnnxConstant, type OnnxNode } from '@touchstone/onnx-graph';
import { seededRandom } from '@touchstone/runtime/random';
import type { EncoderGraph } from './evocut-graph.ts';
import { normal } from './planted.ts';

const width = 32;
const side = 12;
const patchPixels = 8;
const depth = 4;

/** Patches of a picture. */
export const tinyEncoderPatches = side * side;

/** Where the hidden states of `tinyEncoder` are: before the first layer, and after each of four. */
export const tinyEncoderGraph: EncoderGraph = {
  layers: Array.from({ length: depth + 1 }, (_, layer) => `layer_${layer}`),
  firstPatch: 1,
  width,
};

/**
 * A vision transformer of four layers with random weights that follow from the seed, as an ONNX model of 150 KB: `pixels`
 * FP32 [n, 3, 96, 96] → `layer_0` … `layer_4` FP32 [n, 1 + 144, 32]. For tests; it has seen no picture.
 */
export function tinyEncoder(seed: number): Uint8Array {
  const draw = normal(seededRandom(seed));
  const constants: OnnxConstant[] = [];
  const after: OnnxNode[] = [];
  const random = (name: string, dims: readonly number[], deviation: number) => {
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => deviation * draw());
    constants.push({ name, type: 'FLOAT', dims, data });
    return name;
  };
  const integers = (name: string, ...values: number[]) => {
    constants.push({ name, type: 'INT64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
    return name;
  };
  const node = (type: string, inputs: readonly string[], output: string, attributes?: OnnxNode['attributes']) => {
    after.push({ type, inputs, output, attributes });
    return output;
  };
  constants.push({ name: 'gain', type: 'FLOAT', dims: [width], data: new Float32Array(width).fill(1) });
  constants.push({ name: 'attention_scale', type: 'FLOAT', dims: [1], data: Float32Array.of(1 / Math.sqrt(width)) });

  node('Conv', ['pixels', random('patch_weight', [width, 3, patchPixels, patchPixels], 0.1)], 'patch_map', { kernel_shape: [patchPixels, patchPixels], strides: [patchPixels, patchPixels] });
  node('Reshape', ['patch_map', integers('flat', 0, width, -1)], 'patch_columns');
  node('Transpose', ['patch_columns'], 'patch_rows', { perm: [0, 2, 1] });
  node('ReduceMean', ['patch_rows'], 'class_row', { axes: [1], keepdims: 1 });
  node('Concat', ['class_row', 'patch_rows'], 'rows', { axis: 1 });
  node('Add', ['rows', random('position', [1, 1 + side * side, width], 0.5)], 'layer_0');
  for (let layer = 1; layer <= depth; layer++) {
    const own = (name: string) => `l${layer}_${name}`;
    const input = `layer_${layer - 1}`;
    const linear = (from: string, name: string, inner: number, outer: number) => node('MatMul', [from, random(own(`${name}_weight`), [inner, outer], 1 / Math.sqrt(inner))], own(name));
    const normed = node('LayerNormalization', [input, 'gain'], own('normed'), { axis: -1 });
    const keys = node('Transpose', [linear(normed, 'keys', width, width)], own('keys_turned'), { perm: [0, 2, 1] });
    const products = node('Mul', [node('MatMul', [linear(normed, 'queries', width, width), keys], own('products')), 'attention_scale'], own('scaled'));
    const attention = node('MatMul', [node('Softmax', [products], own('attention'), { axis: -1 }), linear(normed, 'values', width, width)], own('attended'));
    const middle = node('Add', [input, linear(attention, 'projected', width, width)], own('middle'));
    const hidden = node('Relu', [linear(node('LayerNormalization', [middle, 'gain'], own('middle_normed'), { axis: -1 }), 'up', width, 2 * width)], own('hidden'));
    node('Add', [middle, linear(hidden, 'down', 2 * width, width)], `layer_${layer}`);
  }
  return editGraph(emptyModel(), {
    removed: [],
    inputs: [{ name: 'pixels', type: 'FLOAT', shape: ['batch', 3, side * patchPixels, side * patchPixels] }],
    outputs: tinyEncoderGraph.layers.map((name) => ({ name, type: 'FLOAT', shape: ['batch', 1 + side * side, width] })),
    constants,
    after,
  });
}
