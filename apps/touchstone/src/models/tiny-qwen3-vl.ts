import type { OnnxNode } from '@touchstone/onnx-graph';
import { seeded, TinyGraph } from './tiny-graph.ts';

/**
 * A tiny seeded Qwen3-VL (arXiv:2511.21631) for tests, as one graph that takes what embed-joint-qwen3-vl takes: two layers of each
 * kind, patches of pictures of any size, positions interpolated, features of the vision's first layer added behind the text's
 * first, interleaved M-RoPE, and the last token's state as `vector`. tools/qwen3-vl-fixture.py gives the same weights to Hugging
 * Face's Qwen3VLModel.
 */
const vision = { width: 16, heads: 2, hidden: 24, side: 4, patch: 1536 };
const text = { width: 32, heads: 4, keyHeads: 2, head: 8, hidden: 48, theta: 5_000_000 };
/** Which axis turns each pair of a head's numbers: time, height, width, time. */
const axes = [0, 1, 2, 0];
const never = -1e9;

/** FNV-1a. */
function hash(name: string): number {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(name)) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  return state;
}

class QwenGraph extends TinyGraph {
  /** By its name in Hugging Face's model; `dims` as they are there. */
  private values(name: string, dims: readonly number[]): Float32Array {
    const isNorm = name.includes('norm') && name.endsWith('weight');
    const length = dims.reduce((a, b) => a * b);
    const values = seeded(length, hash(name), isNorm || name.endsWith('bias') ? 0.1 : 1 / Math.sqrt(length / dims[0]));
    return isNorm ? values.map((value) => value + 1) : values;
  }

  weight(name: string, ...dims: number[]): string {
    return this.floats(dims, this.values(name, dims));
  }

  op(type: string, ...inputs: string[]): string {
    return this.node(type, inputs);
  }

  with(type: string, attributes: NonNullable<OnnxNode['attributes']>, ...inputs: string[]): string {
    return this.node(type, inputs, attributes);
  }

  reshape(x: string, ...dims: number[]): string {
    return this.op('Reshape', x, this.integers([dims.length], ...dims));
  }

  float(x: string): string {
    return this.with('Cast', { to: 1 }, x);
  }

  column(x: string): string {
    return this.op('Unsqueeze', x, this.integers([1], -1));
  }

  /** Torch keeps [to, from]. */
  linear(x: string, name: string, from: number, to: number, hasBias: boolean): string {
    const rows = this.values(`${name}.weight`, [to, from]);
    const columns = Float32Array.from({ length: from * to }, (_, at) => rows[(at % to) * from + Math.floor(at / to)]);
    const product = this.op('MatMul', x, this.floats([from, to], columns));
    return hasBias ? this.op('Add', product, this.weight(`${name}.bias`, to)) : product;
  }

  layerNorm(x: string, name: string, width: number): string {
    const centred = this.op('Sub', x, this.with('ReduceMean', { axes: [-1], keepdims: 1 }, x));
    return this.op('Add', this.rmsNorm(centred, name, width), this.weight(`${name}.bias`, width));
  }

  /** Of mean 0 it is a layer's norm without its bias. */
  rmsNorm(x: string, name: string, width: number): string {
    const mean = this.with('ReduceMean', { axes: [-1], keepdims: 1 }, this.op('Mul', x, x));
    const scaled = this.op('Div', x, this.op('Sqrt', this.op('Add', mean, this.number(1e-6))));
    return this.op('Mul', scaled, this.weight(`${name}.weight`, width));
  }

  /** By tanh, or by the error function. */
  gelu(x: string, isExact: boolean): string {
    const cube = this.op('Mul', this.op('Mul', x, x), x);
    const bent = isExact
      ? this.op('Erf', this.op('Mul', x, this.number(Math.SQRT1_2)))
      : this.op('Tanh', this.op('Mul', this.op('Add', x, this.op('Mul', cube, this.number(0.044715))), this.number(Math.sqrt(2 / Math.PI))));
    return this.op('Mul', this.op('Mul', x, this.number(0.5)), this.op('Add', bent, this.number(1)));
  }

  part(x: string, from: number, to: number, axis: number): string {
    return this.op('Slice', x, this.integers([1], from), this.integers([1], to), this.integers([1], axis));
  }

  /** Turns pairs of a head's numbers, x [heads, n, 8], by angles whose cosines and sines are [n, 8]. */
  rotate(x: string, { cos, sin }: Angles): string {
    const half = text.head / 2;
    const turned = this.with('Concat', { axis: -1 }, this.op('Neg', this.part(x, half, text.head, -1)), this.part(x, 0, half, -1));
    return this.op('Add', this.op('Mul', x, cos), this.op('Mul', turned, sin));
  }

  /** Of [n, 4] angles. */
  angles(half: string): Angles {
    const whole = this.with('Concat', { axis: -1 }, half, half);
    return { cos: this.op('Cos', whole), sin: this.op('Sin', whole) };
  }

  /** What each of q [.., n, 8] sees of v; `hidden` [n, n] is true where it must not look. */
  attention(q: string, k: string, v: string, hidden: string): string {
    const turnedKeys = this.with('Transpose', { perm: [0, 1, 3, 2] }, k);
    const scores = this.op('Mul', this.op('MatMul', q, turnedKeys), this.number(text.head ** -0.5));
    return this.op('MatMul', this.with('Softmax', { axis: -1 }, this.op('Where', hidden, this.number(never), scores)), v);
  }
}

interface Angles {
  readonly cos: string;
  readonly sin: string;
}

/** Of every patch: which picture it is of, and where in it. */
function places(graph: QwenGraph) {
  const one = (value: number) => graph.integers([], value);
  const size = (axis: number) => graph.reshape(graph.part('image_grid_thw', axis, axis + 1, 1), -1);
  const [rows, columns] = [size(1), size(2)];
  const counts = graph.op('Mul', rows, columns);
  const ends = graph.op('CumSum', counts, one(0));
  const count = graph.op('Gather', graph.op('Shape', 'pixel_values'), one(0));
  const index = graph.op('Range', one(0), count, one(1));
  const isBehind = graph.with('Cast', { to: 7 }, graph.op('GreaterOrEqual', graph.column(index), ends));
  const picture = graph.with('ReduceSum', { keepdims: 0 }, isBehind, graph.integers([1], 1));
  const of = (values: string) => graph.op('Gather', values, picture);
  const local = graph.op('Sub', index, of(graph.op('Sub', ends, counts)));
  const square = graph.op('Div', local, one(4));
  const inner = graph.op('Mod', local, one(4));
  const squares = graph.op('Div', of(columns), one(2));
  const row = graph.op('Add', graph.op('Mul', graph.op('Div', square, squares), one(2)), graph.op('Div', inner, one(2)));
  const column = graph.op('Add', graph.op('Mul', graph.op('Mod', square, squares), one(2)), graph.op('Mod', inner, one(2)));
  return { picture, row, column, rows: of(rows), columns: of(columns) };
}

/** The grid of 4 × 4 learned positions, stretched over each picture. */
function learnedPositions(graph: QwenGraph, at: ReturnType<typeof places>): string {
  const along = (place: string, count: string) => {
    const span = graph.float(graph.op('Sub', count, graph.integers([], 1)));
    const exact = graph.op('Div', graph.op('Mul', graph.float(place), graph.number(vision.side - 1)), span);
    const floor = graph.op('Floor', exact);
    const low = graph.with('Cast', { to: 7 }, floor);
    const high = graph.op('Min', graph.op('Add', low, graph.integers([], 1)), graph.integers([], vision.side - 1));
    const share = graph.op('Sub', exact, floor);
    return [{ place: low, share: graph.op('Sub', graph.number(1), share) }, { place: high, share }];
  };
  const table = graph.weight('visual.pos_embed.weight', vision.side ** 2, vision.width);
  const [across, down] = [along(at.column, at.columns), along(at.row, at.rows)];
  const corners = down.flatMap((y) =>
    across.map((x) => {
      const vector = graph.op('Gather', table, graph.op('Add', graph.op('Mul', y.place, graph.integers([], vision.side)), x.place));
      return graph.op('Mul', vector, graph.column(graph.op('Mul', y.share, x.share)));
    }),
  );
  return corners.reduce((sum, corner) => graph.op('Add', sum, corner));
}

function merged(graph: QwenGraph, x: string, name: string, isNormedAfter: boolean): string {
  const four = 4 * vision.width;
  const normed = isNormedAfter ? graph.layerNorm(graph.reshape(x, -1, four), `${name}.norm`, four) : graph.reshape(graph.layerNorm(x, `${name}.norm`, vision.width), -1, four);
  return graph.linear(graph.gelu(graph.linear(normed, `${name}.linear_fc1`, four, four, true), true), `${name}.linear_fc2`, four, text.width, true);
}

/** Visual tokens [tokens, 32], and those of the first layer. */
function visualTokens(graph: QwenGraph): { tokens: string; deep: string } {
  const { width, heads, hidden, patch } = vision;
  const at = places(graph);
  const frequencies = graph.floats([1, 2], Float32Array.of(1, 10_000 ** -0.5));
  const turn = (place: string) => graph.op('Mul', graph.column(graph.float(place)), frequencies);
  const angles = graph.angles(graph.with('Concat', { axis: -1 }, turn(at.row), turn(at.column)));
  const isOther = graph.op('Not', graph.op('Equal', graph.column(at.picture), at.picture));

  let x = graph.linear('pixel_values', 'visual.patch_embed.proj', patch, width, true);
  x = graph.op('Add', x, learnedPositions(graph, at));
  let deep = '';
  for (let layer = 0; layer < 2; layer++) {
    const name = `visual.blocks.${layer}`;
    const qkv = graph.linear(graph.layerNorm(x, `${name}.norm1`, width), `${name}.attn.qkv`, width, 3 * width, true);
    const [q, k, v] = [0, 1, 2].map((which) => {
      const part = graph.reshape(graph.part(qkv, which * width, (which + 1) * width, 1), -1, heads, width / heads);
      return graph.with('Transpose', { perm: [1, 0, 2] }, part);
    });
    const first = (each: string) => graph.op('Unsqueeze', each, graph.integers([1], 0));
    const seen = graph.attention(first(graph.rotate(q, angles)), first(graph.rotate(k, angles)), first(v), isOther);
    const flat = graph.reshape(graph.with('Transpose', { perm: [0, 2, 1, 3] }, seen), -1, width);
    x = graph.op('Add', x, graph.linear(flat, `${name}.attn.proj`, width, width, true));
    const bent = graph.gelu(graph.linear(graph.layerNorm(x, `${name}.norm2`, width), `${name}.mlp.linear_fc1`, width, hidden, true), false);
    x = graph.op('Add', x, graph.linear(bent, `${name}.mlp.linear_fc2`, hidden, width, true));
    if (layer === 0) deep = merged(graph, x, 'visual.deepstack_merger_list.0', true);
  }
  return { tokens: merged(graph, x, 'visual.merger', false), deep };
}

/** @param imageToken and `vocabulary` of the tokenizer. */
export function tinyQwen3Vl({ imageToken, vocabulary }: { imageToken: number; vocabulary: number }): Uint8Array {
  const graph = new QwenGraph();
  const { width, heads, keyHeads, head, hidden, theta } = text;
  const { tokens, deep } = visualTokens(graph);
  const isImage = graph.op('Equal', 'input_ids', graph.integers([], imageToken));
  const isImageNumber = graph.with('Cast', { to: 7 }, isImage);
  // Row 0 is for texts, so that the tokens of pictures count from 1.
  const which = graph.op('Mul', graph.op('CumSum', isImageNumber, graph.integers([], 0)), isImageNumber);
  const spread = (rows: string) => graph.op('Gather', graph.with('Concat', { axis: 0 }, graph.floats([1, width], new Float32Array(width)), rows), which);

  let x = graph.op('Where', graph.column(isImage), spread(tokens), graph.op('Gather', graph.weight('language_model.embed_tokens.weight', vocabulary, width), 'input_ids'));
  const frequencies = graph.floats([1, 1, head / 2], Float32Array.from({ length: head / 2 }, (_, at) => theta ** ((-2 * at) / head)));
  const chosen = graph.floats([3, 1, head / 2], Float32Array.from({ length: 3 * axes.length }, (_, at) => Number(axes[at % axes.length] === Math.floor(at / axes.length))));
  const turns = graph.op('Mul', graph.op('Mul', graph.column(graph.float('position_ids')), frequencies), chosen);
  const angles = graph.angles(graph.with('ReduceSum', { keepdims: 0 }, turns, graph.integers([1], 0)));
  const index = graph.op('Range', graph.integers([], 0), graph.op('Gather', graph.op('Shape', 'input_ids'), graph.integers([], 0)), graph.integers([], 1));
  const isLater = graph.op('Greater', index, graph.column(index));

  for (let layer = 0; layer < 2; layer++) {
    const name = `language_model.layers.${layer}`;
    const normed = graph.rmsNorm(x, `${name}.input_layernorm`, width);
    const projected = (which: 'q' | 'k' | 'v', count: number) => {
      const rows = graph.reshape(graph.linear(normed, `${name}.self_attn.${which}_proj`, width, count * head, false), -1, count, head);
      const scaled = which === 'v' ? rows : graph.rmsNorm(rows, `${name}.self_attn.${which}_norm`, head);
      const byHead = graph.with('Transpose', { perm: [1, 0, 2] }, scaled);
      const turned = which === 'v' ? byHead : graph.rotate(byHead, angles);
      // Two heads of queries share one of keys and values.
      return graph.reshape(turned, keyHeads, count / keyHeads, -1, head);
    };
    const seen = graph.reshape(graph.attention(projected('q', heads), projected('k', keyHeads), projected('v', keyHeads), isLater), heads, -1, head);
    const flat = graph.reshape(graph.with('Transpose', { perm: [1, 0, 2] }, seen), -1, heads * head);
    x = graph.op('Add', x, graph.linear(flat, `${name}.self_attn.o_proj`, heads * head, width, false));
    const after = graph.rmsNorm(x, `${name}.post_attention_layernorm`, width);
    const gate = graph.linear(after, `${name}.mlp.gate_proj`, width, hidden, false);
    const opened = graph.op('Mul', graph.op('Mul', gate, graph.op('Sigmoid', gate)), graph.linear(after, `${name}.mlp.up_proj`, width, hidden, false));
    x = graph.op('Add', x, graph.linear(opened, `${name}.mlp.down_proj`, hidden, width, false));
    if (layer === 0) x = graph.op('Add', x, spread(deep));
  }
  const last = graph.part(graph.rmsNorm(x, 'language_model.norm', width), -1, 2 ** 31, 0);
  graph.node('Identity', [last], undefined, 'vector');
  return graph.bytes(
    [
      { name: 'input_ids', type: 'INT64', shape: ['tokens'] },
      { name: 'position_ids', type: 'INT64', shape: [3, 'tokens'] },
      { name: 'pixel_values', type: 'FLOAT', shape: ['patches', vision.patch] },
      { name: 'image_grid_thw', type: 'INT64', shape: ['pictures', 3] },
    ],
    [{ name: 'vector', type: 'FLOAT', shape: [1, width] }],
  );
}
