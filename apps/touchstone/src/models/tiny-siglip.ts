import { editGraph, emptyModel, type OnnxConstant, type OnnxNode, type OnnxValue } from '@touchstone/onnx-graph';

/**
 * The two graphs of a tiny seeded SigLIP (arXiv:2303.15343) for tests, with the names and shapes of a base model's: one layer,
 * one head, 8 numbers wide, no biases, and a projection to 768. tools/joint-fixture.py computes the same in numpy.
 */
const width = 8;
const dimension = 768;

/** Numbers from -1 to 1 by a linear congruential generator, times `scale`. */
function seeded(length: number, seed: number, scale: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => ((state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 31 - 1) * scale);
}

/** Collects nodes and constants; each method returns the name of its result. */
class TinyGraph {
  private readonly nodes: OnnxNode[] = [];
  private readonly constants: OnnxConstant[] = [];

  weight(seed: number, dims: readonly number[], scale = 1): string {
    return this.constant({ name: `weight${seed}`, type: 'FLOAT', dims, data: seeded(dims.reduce((a, b) => a * b), seed, scale) });
  }

  number(value: number): string {
    return this.constant({ name: `number${this.constants.length}`, type: 'FLOAT', dims: [], data: Float32Array.of(value) });
  }

  integers(dims: readonly number[], ...values: number[]): string {
    return this.constant({ name: `integers${this.constants.length}`, type: 'INT64', dims, data: BigInt64Array.from(values, BigInt) });
  }

  node(type: string, inputs: readonly string[], attributes?: OnnxNode['attributes'], output = `node${this.nodes.length}`): string {
    this.nodes.push({ type, inputs, output, attributes });
    return output;
  }

  linear(x: string, seed: number, from = width, to = width): string {
    return this.node('MatMul', [x, this.weight(seed, [from, to])]);
  }

  norm(x: string): string {
    const ones = this.constant({ name: `ones${this.constants.length}`, type: 'FLOAT', dims: [width], data: new Float32Array(width).fill(1) });
    return this.node('LayerNormalization', [x, ones]);
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
  bytes(input: OnnxValue, pooled: string, seed: number): Uint8Array {
    this.node('MatMul', [pooled, this.weight(seed, [width, dimension])], undefined, 'pooler_output');
    const output = { name: 'pooler_output', type: 'FLOAT', shape: ['batch', dimension] } as const;
    return editGraph(emptyModel(), { removed: [], inputs: [input], constants: this.constants, after: this.nodes, outputs: [output] });
  }

  private constant(constant: OnnxConstant): string {
    this.constants.push(constant);
    return constant.name;
  }
}

/** 40 tokens, 64 places; the vector is that of the last place. */
export function tinySiglipText(): Uint8Array {
  const graph = new TinyGraph();
  const tokens = graph.node('Gather', [graph.weight(100, [40, width]), 'input_ids']);
  const x = graph.layer(graph.node('Add', [tokens, graph.weight(101, [64, width])]), 110);
  const last = graph.node('Gather', [x, graph.integers([], 63)], { axis: 1 });
  return graph.bytes({ name: 'input_ids', type: 'INT64', shape: ['batch', 'tokens'] }, last, 120);
}

/** 14 × 14 patches; the vector is that of a probe that attends to them. */
export function tinySiglipImage(): Uint8Array {
  const graph = new TinyGraph();
  const filter = graph.weight(200, [width, 3, 16, 16], 1 / 16);
  const planes = graph.node('Reshape', [graph.node('Conv', ['pixel_values', filter], { strides: [16, 16] }), graph.integers([3], 0, width, 196)]);
  const patches = graph.node('Transpose', [planes], { perm: [0, 2, 1] });
  const x = graph.layer(graph.node('Add', [patches, graph.weight(201, [196, width])]), 210);
  const probed = graph.attention(graph.weight(220, [1, 1, width]), x, 221);
  const head = graph.node('Add', [probed, graph.mlp(graph.norm(probed), 225)]);
  const pooled = graph.node('ReduceMean', [head], { axes: [1], keepdims: 0 });
  return graph.bytes({ name: 'pixel_values', type: 'FLOAT', shape: ['batch', 3, 224, 224] }, pooled, 230);
}
