import type { OnnxValue } from '@touchstone/onnx-graph';
import { seeded, TinyGraph } from './tiny-graph.ts';

/**
 * The two graphs of a tiny seeded SigLIP (arXiv:2303.15343) for tests, with the names and shapes of a base model's: one layer,
 * one head, 8 numbers wide, no biases, and a projection to 768. tools/joint-fixture.py computes the same in numpy.
 */
const width = 8;
const dimension = 768;

class SiglipGraph extends TinyGraph {
  weight(seed: number, dims: readonly number[], scale = 1): string {
    return this.floats(dims, seeded(dims.reduce((a, b) => a * b), seed, scale));
  }

  linear(x: string, seed: number, from = width, to = width): string {
    return this.node('MatMul', [x, this.weight(seed, [from, to])]);
  }

  norm(x: string): string {
    return this.node('LayerNormalization', [x, this.floats([width], new Float32Array(width).fill(1))]);
  }

  attention(queries: string, x: string, seed: number): string {
    const keys = this.node('Transpose', [this.linear(x, seed + 1)], { perm: [0, 2, 1] });
    const scores = this.node('Div', [this.node('MatMul', [this.linear(queries, seed), keys]), this.number(Math.sqrt(width))]);
    return this.linear(this.node('MatMul', [this.node('Softmax', [scores]), this.linear(x, seed + 2)]), seed + 3);
  }

  /** With GELU by tanh. */
  mlp(input: string, seed: number): string {
    const x = this.linear(input, seed, width, 2 * width);
    const cube = this.node('Mul', [this.node('Mul', [x, x]), x]);
    const bent = this.node('Add', [x, this.node('Mul', [cube, this.number(0.044715)])]);
    const tanh = this.node('Tanh', [this.node('Mul', [bent, this.number(Math.sqrt(2 / Math.PI))])]);
    const half = this.node('Mul', [x, this.number(0.5)]);
    return this.linear(this.node('Mul', [half, this.node('Add', [tanh, this.number(1)])]), seed + 1, 2 * width, width);
  }

  layer(x: string, seed: number): string {
    const normed = this.norm(x);
    const attended = this.node('Add', [x, this.attention(normed, normed, seed)]);
    return this.norm(this.node('Add', [attended, this.mlp(this.norm(attended), seed + 4)]));
  }

  /** The graph whose `pooler_output` is `pooled`, FP32 [n, width], projected. */
  projected(input: OnnxValue, pooled: string, seed: number): Uint8Array {
    this.node('MatMul', [pooled, this.weight(seed, [width, dimension])], undefined, 'pooler_output');
    return this.bytes([input], [{ name: 'pooler_output', type: 'FLOAT', shape: ['batch', dimension] }]);
  }
}

/** 40 tokens, 64 places; the vector is that of the last place. */
export function tinySiglipText(): Uint8Array {
  const graph = new SiglipGraph();
  const tokens = graph.node('Gather', [graph.weight(100, [40, width]), 'input_ids']);
  const x = graph.layer(graph.node('Add', [tokens, graph.weight(101, [64, width])]), 110);
  const last = graph.node('Gather', [x, graph.integers([], 63)], { axis: 1 });
  return graph.projected({ name: 'input_ids', type: 'INT64', shape: ['batch', 'tokens'] }, last, 120);
}

/** 14 × 14 patches; the vector is that of a probe that attends to them. */
export function tinySiglipImage(): Uint8Array {
  const graph = new SiglipGraph();
  const filter = graph.weight(200, [width, 3, 16, 16], 1 / 16);
  const planes = graph.node('Reshape', [graph.node('Conv', ['pixel_values', filter], { strides: [16, 16] }), graph.integers([3], 0, width, 196)]);
  const patches = graph.node('Transpose', [planes], { perm: [0, 2, 1] });
  const x = graph.layer(graph.node('Add', [patches, graph.weight(201, [196, width])]), 210);
  const probed = graph.attention(graph.weight(220, [1, 1, width]), x, 221);
  const head = graph.node('Add', [probed, graph.mlp(graph.norm(probed), 225)]);
  const pooled = graph.node('ReduceMean', [head], { axes: [1], keepdims: 0 });
  return graph.projected({ name: 'pixel_values', type: 'FLOAT', shape: ['batch', 3, 224, 224] }, pooled, 230);
}
