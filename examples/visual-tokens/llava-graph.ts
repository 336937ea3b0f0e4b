/**
 * LLaVA's language model as an ONNX graph: a projector of visual tokens and a decoder like Llama's (arXiv:2304.08485,
 * arXiv:2302.13971), float32. One call reads s tokens after `past` others, whose keys and values it gets and gives back.
 */
import { editGraph, emptyModel, type OnnxConstant, type OnnxNode, type OnnxValue } from '@touchstone/onnx-graph';

export interface LlavaShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly feedForwardWidth: number;
  readonly vocabulary: number;
  /** Numbers of a visual token, as the encoder gives it. */
  readonly visualWidth: number;
  /** Stands in a prompt wherever a visual token goes. */
  readonly pictureId: number;
}

/** Numbers of the weight of that name, row-major; a matrix as [inputs, outputs]. */
export type Weights = (name: string, dims: readonly number[]) => Float32Array;

const ropeBase = 10_000;
const normEpsilon = 1e-5;
/** What a token must not see gets this for a score: no weight is left of it in float32. */
const unseen = -1e9;

/**
 * Inputs: `input_ids` INT64 [n, s], of which K are `pictureId`; `visual_tokens` FP32 [n, K, visual width], in the order of
 * their places; `position_ids` INT64 [n, s]; `attention_mask` INT64 [n, past + s], 0 where no token may look; `cache` FP32
 * [n, layers, 2, heads, past, width / heads]. Outputs: `logits` FP32 [n, vocabulary] of the last token; `next_cache`, the
 * cache of past + s tokens.
 */
export function llavaGraph(shape: LlavaShape, weights: Weights): Uint8Array {
  const { graph, embedded } = projectorAndTable(shape, weights);
  return editGraph(decoderGraph(shape, weights), {
    removed: ['inputs_embeds'],
    inputs: [int64('input_ids', 'batch', 'tokens'), float('visual_tokens', 'batch', 'pictured', shape.visualWidth)],
    outputs: [],
    constants: graph.constants,
    before: [...graph.nodes, { type: 'Identity', inputs: [embedded], output: 'inputs_embeds' }],
    after: [],
  });
}

/** The decoder alone: `inputs_embeds` FP32 [n, s, width] in place of ids and visual tokens. */
export function decoderGraph({ layers, width, heads, feedForwardWidth, vocabulary }: LlavaShape, weights: Weights): Uint8Array {
  const graph = new Graph('decoder', weights);
  const headWidth = width / heads;
  const linear = (x: string, name: string, from: number, to: number) => graph.node('MatMul', [x, graph.weight(name, from, to)]);
  const norm = (x: string, name: string) => {
    const meanSquare = graph.node('ReduceMean', [graph.node('Mul', [x, x])], { axes: [-1], keepdims: 1 });
    const deviation = graph.node('Sqrt', [graph.node('Add', [meanSquare, graph.number(normEpsilon)])]);
    return graph.node('Mul', [graph.node('Div', [x, deviation]), graph.weight(name, width)]);
  };
  /** [n, s, width] → [n, heads, s, head width]. */
  const byHead = (x: string) => graph.node('Transpose', [graph.node('Reshape', [x, graph.integers(0, 0, heads, headWidth)])], { perm: [0, 2, 1, 3] });

  // RoPE: dimension i of a head turns with dimension i + head width / 2, by the position times base^(−2i / head width).
  const half = headWidth / 2;
  const speeds = graph.floats(Float32Array.from({ length: half }, (_, i) => ropeBase ** (-i / half)));
  const positions = graph.node('Unsqueeze', [graph.node('Cast', ['position_ids'], { to: 1 }), graph.integers(1, -1)]);
  const angles = graph.node('Mul', [positions, speeds]);
  const doubled = graph.node('Concat', [angles, angles], { axis: -1 });
  const [cosine, sine] = [graph.node('Cos', [doubled]), graph.node('Sin', [doubled])];
  const rotated = (x: string) => {
    const part = (from: number, to: number) => graph.node('Slice', [x, graph.integers(from), graph.integers(to), graph.integers(-1)]);
    const turned = graph.node('Concat', [graph.node('Neg', [part(half, headWidth)]), part(0, half)], { axis: -1 });
    return graph.node('Add', [graph.node('Mul', [x, cosine]), graph.node('Mul', [turned, sine])]);
  };

  // Token `past` + i sees tokens 0 to `past` + i as far as the mask lets it. The order decides, and not the positions.
  const sizeOf = (x: string, axis: number) => graph.node('Gather', [graph.node('Shape', [x]), graph.integer(axis)]);
  const total = sizeOf('attention_mask', 1);
  const past = graph.node('Sub', [total, sizeOf('inputs_embeds', 1)]);
  const count = (from: string, to: string) => graph.node('Range', [from, to, graph.integer(1)]);
  const isEarlier = graph.node('LessOrEqual', [count(graph.integer(0), total), graph.node('Unsqueeze', [count(past, total), graph.integers(1)])]);
  const isOpen = graph.node('Unsqueeze', [graph.node('Cast', ['attention_mask'], { to: 9 }), graph.integers(1, 2)]);
  const isSeen = graph.node('And', [isEarlier, isOpen]); // [n, 1, s, past + s]

  let x = 'inputs_embeds';
  const caches: string[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const own = (name: string) => `layers.${layer}.${name}`;
    const normed = norm(x, own('input_norm'));
    const queries = rotated(byHead(linear(normed, own('query'), width, width)));
    const cached = graph.node('Gather', ['cache', graph.integer(layer)], { axis: 1 });
    const joined = (which: number, fresh: string) => graph.node('Concat', [graph.node('Gather', [cached, graph.integer(which)], { axis: 1 }), fresh], { axis: 2 });
    const keys = joined(0, rotated(byHead(linear(normed, own('key'), width, width))));
    const values = joined(1, byHead(linear(normed, own('value'), width, width)));
    const pair = [keys, values].map((one) => graph.node('Unsqueeze', [one, graph.integers(1, 2)])); // [n, 1, 1, heads, past + s, head width]
    caches.push(graph.node('Concat', pair, { axis: 2 }));

    const products = graph.node('MatMul', [queries, graph.node('Transpose', [keys], { perm: [0, 1, 3, 2] })]);
    const scores = graph.node('Where', [isSeen, graph.node('Div', [products, graph.number(Math.sqrt(headWidth))]), graph.number(unseen)]);
    const attended = graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), values]);
    const rows = graph.node('Reshape', [graph.node('Transpose', [attended], { perm: [0, 2, 1, 3] }), graph.integers(0, 0, width)]);
    x = graph.node('Add', [x, linear(rows, own('output'), width, width)]);

    const middle = norm(x, own('feed_forward_norm'));
    const gate = linear(middle, own('gate'), width, feedForwardWidth);
    const swish = graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]);
    const gated = graph.node('Mul', [swish, linear(middle, own('up'), width, feedForwardWidth)]);
    x = graph.node('Add', [x, linear(gated, own('down'), feedForwardWidth, width)]);
  }
  const last = graph.node('Gather', [norm(x, 'norm'), graph.integer(-1)], { axis: 1 });
  graph.named('logits', 'MatMul', [last, graph.weight('head', width, vocabulary)]);
  graph.named('next_cache', 'Concat', caches, { axis: 1 });

  const cache = (name: string, length: string) => float(name, 'batch', layers, 2, heads, length, headWidth);
  return editGraph(emptyModel(), {
    removed: [],
    inputs: [float('inputs_embeds', 'batch', 'tokens', width), int64('position_ids', 'batch', 'tokens'), int64('attention_mask', 'batch', 'total'), cache('cache', 'past')],
    outputs: [float('logits', 'batch', vocabulary), cache('next_cache', 'total')],
    constants: graph.constants,
    after: graph.nodes,
  });
}

/** Projects the visual tokens, looks the other ids up, and puts the k-th visual token where the k-th `pictureId` stands. */
function projectorAndTable({ width, vocabulary, visualWidth, pictureId }: LlavaShape, weights: Weights): { graph: Graph; embedded: string } {
  const graph = new Graph('front', weights);
  const affine = (x: string, name: string, from: number) => graph.node('Add', [graph.node('MatMul', [x, graph.weight(name, from, width)]), graph.weight(`${name}_bias`, width)]);
  const inner = affine('visual_tokens', 'projector_1', visualWidth);
  const erf = graph.node('Erf', [graph.node('Div', [inner, graph.number(Math.SQRT2)])]);
  const gelu = graph.node('Mul', [graph.node('Mul', [inner, graph.number(0.5)]), graph.node('Add', [erf, graph.number(1)])]);
  const visual = affine(gelu, 'projector_2', width);

  const isPicture = graph.node('Equal', ['input_ids', graph.integer(pictureId)]);
  const text = graph.node('Gather', [graph.weight('embedding', vocabulary, width), graph.node('Where', [isPicture, graph.integer(0), 'input_ids'])]);
  const tokens = graph.node('Gather', [graph.node('Shape', ['input_ids']), graph.integer(1)]);
  const textPlace = graph.node('Range', [graph.integer(0), tokens, graph.integer(1)]);
  const ordinal = graph.node('Sub', [graph.node('CumSum', [graph.node('Cast', [isPicture], { to: 7 }), graph.integer(1)]), graph.integer(1)]);
  // Visual tokens stand behind all texts: one too few of them is a place that is not there, and ONNX Runtime refuses.
  const place = graph.node('Where', [isPicture, graph.node('Add', [ordinal, tokens]), textPlace]);
  const all = graph.node('Concat', [text, visual], { axis: 1 });
  return { graph, embedded: graph.node('GatherND', [all, graph.node('Unsqueeze', [place, graph.integers(-1)])], { batch_dims: 1 }) };
}

const float = (name: string, ...shape: (number | string)[]): OnnxValue => ({ name, type: 'FLOAT', shape });
const int64 = (name: string, ...shape: (number | string)[]): OnnxValue => ({ name, type: 'INT64', shape });

/** Collects nodes and constants; each method returns the name of its result. */
class Graph {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxConstant[] = [];

  constructor(
    private readonly prefix: string,
    private readonly weights: Weights,
  ) {}

  node(type: string, inputs: readonly string[], attributes?: OnnxNode['attributes']): string {
    return this.named(`${this.prefix}_${this.nodes.length}`, type, inputs, attributes);
  }

  named(output: string, type: string, inputs: readonly string[], attributes?: OnnxNode['attributes']): string {
    this.nodes.push({ type, inputs, output, attributes });
    return output;
  }

  weight(name: string, ...dims: number[]): string {
    this.constants.push({ name, type: 'FLOAT', dims, data: this.weights(name, dims) });
    return name;
  }

  floats(data: Float32Array, dims: readonly number[] = [data.length]): string {
    return this.constant({ type: 'FLOAT', dims, data });
  }

  number(value: number): string {
    return this.floats(Float32Array.of(value), []);
  }

  integers(...values: number[]): string {
    return this.constant({ type: 'INT64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  integer(value: number): string {
    return this.constant({ type: 'INT64', dims: [], data: BigInt64Array.of(BigInt(value)) });
  }

  private constant(constant: Omit<OnnxConstant, 'name'>): string {
    const name = `${this.prefix}_constant_${this.constants.length}`;
    this.constants.push({ ...constant, name });
    return name;
  }
}
