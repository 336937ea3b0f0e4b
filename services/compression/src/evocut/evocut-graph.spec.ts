import { editGraph, emptyModel } from '@touchstone/onnx-graph';
import { seededRandom } from '@touchstone/runtime/random';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { variationScores } from '../baseline/scores.ts';
import { evocutSelection, type EncoderGraph } from './evocut-graph.ts';
import { evolutionScores, type EvocutParameters, type HiddenStates, keptTokens, paperParameters, strideTokens } from './evocut.ts';
import { furthestTokens, normal, plantedStates } from './planted.ts';
import { tinyEncoder, tinyEncoderGraph, tinyEncoderPatches } from './tiny-encoder.ts';

type Outputs = Record<string, { data: Float32Array | BigInt64Array; dims: readonly number[] }>;

async function run(model: Uint8Array, inputs: Record<string, Tensor>): Promise<Outputs> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  return (await session.run(inputs)) as unknown as Outputs;
}

interface Asked {
  readonly count: number;
  /** The first rank that is kept. */
  readonly from?: number;
  /** A picture each. */
  readonly momenta?: readonly number[];
  readonly selectLayers?: readonly number[];
}

const asked = (batch: number, { count, from = 0, momenta, selectLayers }: Asked) => ({
  ranks: new Tensor('int64', BigInt64Array.from({ length: batch * count }, (_, index) => BigInt(from + (index % count))), [batch, count]),
  momentum: new Tensor('float32', Float32Array.from(momenta ?? Array<number>(batch).fill(paperParameters.momentum)), [batch, 1]),
  select_layer: new Tensor('int64', BigInt64Array.from(selectLayers ?? Array<number>(batch).fill(-1), BigInt), [batch, 1]),
});

/** Runs the selection alone, on hidden states that are inputs of the graph. @param starts tokens that the groups begin with instead. */
async function select(states: HiddenStates, count: number, parameters: EvocutParameters = paperParameters, starts?: readonly number[]): Promise<Outputs> {
  const { layers, tokens, width } = states;
  const names = layers.map((_, layer) => `layer_${layer}`);
  const selection = evocutSelection({ layers: names, firstPatch: 0, width }, parameters);
  if (starts) {
    const replaced = selection.after.findIndex(({ output }) => output === 'evocut_starts');
    selection.after = selection.after.toSpliced(replaced, 1);
    selection.constants = [...selection.constants, { name: 'evocut_starts', type: 'INT64', dims: [starts.length], data: BigInt64Array.from(starts, BigInt) }];
  }
  const inputs = [...names.map((name) => ({ name, type: 'FLOAT' as const, shape: ['batch', tokens, width] })), ...selection.inputs];
  const model = editGraph(emptyModel(), { ...selection, inputs, removed: [] });
  const tensors = Object.fromEntries(layers.map((layer, index) => [names[index], new Tensor('float32', layer, [1, tokens, width])]));
  return run(model, { ...tensors, ...asked(1, { count, momenta: [parameters.momentum] }) });
}

const deviants = [3, 12, 22, 30, 47, 58];
const numbers = ({ data }: Outputs[string]) => [...data].map(Number);

it.each([1, 2, 3])('keeps exactly the planted deviants, seed %d', async (seed) => {
  const { indices } = await select(plantedStates({ deviants, seed }), deviants.length);
  expect(numbers(indices)).toEqual(deviants);
});

it.each([1, 2, 3])('loses them when groups begin at the tokens furthest apart, seed %d', async (seed) => {
  const states = plantedStates({ deviants, seed });
  const [{ indices }, own] = [await select(states, deviants.length, paperParameters, furthestTokens(states, 8)), await select(states, deviants.length, paperParameters, strideTokens(64, 8))];
  expect(numbers(indices)).not.toEqual(deviants);
  expect(numbers(own.indices)).toEqual(deviants);
});

it.each([1, 2, 3])('keeps a deviant that persists before one of a single layer, seed %d', async (seed) => {
  const { scores, indices } = await select(plantedStates({ deviants: [10], spikes: [20], seed }), 2);
  expect(numbers(indices)).toEqual([10, 20]);
  expect(scores.data[10]).toBeGreaterThan(scores.data[20] as number);
});

it.each<[string, EvocutParameters]>([
  ['the paper’s', paperParameters],
  ['three groups, five rounds', { groups: 3, iterations: 5, momentum: 0.5 }],
  ['one group, no round', { groups: 1, iterations: 0, momentum: 0 }],
])('scores as evocut.ts does, parameters: %s', async (_, parameters) => {
  const states = plantedStates({ deviants, noise: 0.5, seed: 11 });
  const { scores, variation } = await select(states, 1, parameters);
  evolutionScores(states, parameters).forEach((score, token) => expect(scores.data[token]).toBeCloseTo(score, 5));
  variationScores(states).forEach((score, token) => expect(variation.data[token]).toBeCloseTo(score, 5));
});

it('follows the tokens when these change places, but for those that the groups begin with', async () => {
  const states = plantedStates({ deviants, noise: 0.5, seed: 9 });
  const { tokens, width } = states;
  const starts = new Set([0, 9, 18, 27, 36, 45, 54, 63]);
  const others = Array.from({ length: tokens }, (_, token) => token).filter((token) => !starts.has(token));
  const random = seededRandom(7);
  const mixed = others.toSorted(() => random() - 0.5);
  const order = Array.from({ length: tokens }, (_, token) => (starts.has(token) ? token : mixed[others.indexOf(token)]));
  const layers = states.layers.map((layer) => Float32Array.from(layer, (__, at) => layer[order[Math.floor(at / width)] * width + (at % width)]));
  const [{ scores }, { scores: moved }] = [await select(states, 1), await select({ layers, tokens, width }, 1)];
  expect(order).not.toEqual([...order].sort((a, b) => a - b));
  order.forEach((token, place) => expect(moved.data[place]).toBeCloseTo(scores.data[token] as number, 5));
});

it('does not change with the size of a step', async () => {
  const states = plantedStates({ deviants, noise: 0.5, seed: 9 });
  const layers = [states.layers[0]];
  for (let layer = 1; layer < states.layers.length; layer++) {
    layers.push(layers[layer - 1].map((value, at) => value + 4 ** layer * (states.layers[layer][at] - states.layers[layer - 1][at])));
  }
  const [{ scores }, { scores: scaled }] = [await select(states, 1), await select({ ...states, layers }, 1)];
  numbers(scaled).forEach((score, token) => expect(score).toBeCloseTo(scores.data[token] as number, 3));
});

it('of a picture that does not change keeps the first tokens, without NaN', async () => {
  const layers = [1, 2, 3].map(() => new Float32Array(64 * 32).fill(0.5));
  const { scores, indices } = await select({ layers, tokens: 64, width: 32 }, 3);
  expect(numbers(scores)).toEqual(Array(64).fill(0));
  expect(numbers(indices)).toEqual([0, 1, 2]);
});

it('of a token that stands still among others has the score 0', async () => {
  const states = plantedStates({ deviants, noise: 0.5, seed: 9 });
  const layers = states.layers.map((layer) => layer.slice());
  for (const layer of layers) layer.set(layers[0].subarray(5 * 32, 6 * 32), 5 * 32);
  expect((await select({ ...states, layers }, 1)).scores.data[5]).toBe(0);
});

it('with a smaller budget keeps part of what a larger one keeps, up to all', async () => {
  const states = plantedStates({ deviants, noise: 0.5, seed: 3 });
  let smaller: number[] = [];
  for (const count of [1, 2, 8, 28, 63, 64]) {
    const kept = numbers((await select(states, count)).indices);
    expect(kept).toHaveLength(count);
    expect(kept).toEqual(expect.arrayContaining(smaller));
    smaller = kept;
  }
  expect(smaller).toEqual(Array.from({ length: 64 }, (_, token) => token));
});

describe('in an encoder', () => {
  const { width } = tinyEncoderGraph;
  const patches = tinyEncoderPatches;
  const rows = 1 + patches;
  const seen: EncoderGraph = tinyEncoderGraph;
  const withSelection = editGraph(tinyEncoder(1), { ...evocutSelection(seen), removed: [] });
  const batch = 3;
  const draw = normal(seededRandom(5));
  const pixels = new Tensor('float32', Float32Array.from({ length: batch * 3 * 96 * 96 }, draw), [batch, 3, 96, 96]);

  /** Hidden states of a picture's patches that left the graph beside the selection. */
  const statesOf = (outputs: Outputs, picture: number): HiddenStates => {
    const layers = seen.layers.map((name) => (outputs[name].data as Float32Array).subarray((picture * rows + 1) * width, (picture + 1) * rows * width));
    return { layers, tokens: patches, width };
  };
  const ofPicture = ({ data, dims }: Outputs[string], picture: number) => [...data.slice((picture * data.length) / dims[0], ((picture + 1) * data.length) / dims[0])].map(Number);

  it.each([1, 16, patches])('every picture of a batch has the scores, indices and tokens of evocut.ts, %d kept', async (count) => {
    const outputs = await run(withSelection, { pixels, ...asked(batch, { count }) });
    expect(outputs.kept_tokens.dims).toEqual([batch, count, width]);
    for (let picture = 0; picture < batch; picture++) {
      const states = statesOf(outputs, picture);
      const scores = evolutionScores(states);
      scores.forEach((score, token) => expect(outputs.scores.data[picture * patches + token]).toBeCloseTo(score, 5));
      const kept = [...keptTokens(scores, count)];
      expect(ofPicture(outputs.indices, picture)).toEqual(kept);
      const last = states.layers.at(-1)!;
      expect(ofPicture(outputs.kept_tokens, picture)).toEqual(kept.flatMap((token) => [...last.subarray(token * width, (token + 1) * width)]));
      expect(ofPicture(outputs.all_tokens, picture)).toEqual([...last]);
    }
  });

  it('each picture of a batch has its own momentum and layer', async () => {
    const [momenta, selectLayers] = [[0, 0.5, 0.95], [-1, -2, 0]];
    const outputs = await run(withSelection, { pixels, ...asked(batch, { count: 4, momenta, selectLayers }) });
    for (let picture = 0; picture < batch; picture++) {
      const states = statesOf(outputs, picture);
      const scores = evolutionScores(states, { ...paperParameters, momentum: momenta[picture] });
      scores.forEach((score, token) => expect(outputs.scores.data[picture * patches + token]).toBeCloseTo(score, 5));
      const layer = states.layers.at(selectLayers[picture])!;
      const kept = [...keptTokens(scores, 4)];
      expect(ofPicture(outputs.kept_tokens, picture)).toEqual(kept.flatMap((token) => [...layer.subarray(token * width, (token + 1) * width)]));
    }
  });

  it('says what attention the class token pays, and the keys', async () => {
    const attention = { weights: 'l3_attention_heads', keys: 'l3_keys_heads', keyWidth: width };
    const heads: { type: string; inputs: string[]; output: string }[] = [
      { type: 'Unsqueeze', inputs: ['l3_attention', 'head_axis_1'], output: attention.weights },
      { type: 'Unsqueeze', inputs: ['l3_keys', 'head_axis_2'], output: attention.keys },
    ];
    const selection = evocutSelection({ ...seen, attention });
    const axes = [1, 2].map((axis) => ({ name: `head_axis_${axis}`, type: 'INT64' as const, dims: [1], data: BigInt64Array.of(BigInt(axis)) }));
    const shown = ['l3_attention', 'l3_keys'].map((name, index) => ({ name, type: 'FLOAT' as const, shape: ['batch', rows, index === 0 ? rows : width] }));
    const model = editGraph(tinyEncoder(1), { ...selection, removed: [], constants: [...selection.constants, ...axes], after: [...heads, ...selection.after], outputs: [...selection.outputs, ...shown] });
    const outputs = await run(model, { pixels, ...asked(batch, { count: 1 }) });
    for (let picture = 0; picture < batch; picture++) {
      expect(ofPicture(outputs.class_attention, picture)).toEqual(ofPicture(outputs.l3_attention, picture).slice(1, rows));
      expect(ofPicture(outputs.attention_keys, picture)).toEqual(ofPicture(outputs.l3_keys, picture).slice(width));
    }
  });

  it('the next ranks are the tokens that a larger budget adds', async () => {
    const [small, next, large] = await Promise.all([{ count: 10 }, { from: 10, count: 10 }, { count: 20 }].map((ranks) => run(withSelection, { pixels, ...asked(batch, ranks) })));
    expect([...ofPicture(small.indices, 0), ...ofPicture(next.indices, 0)].sort((a, b) => a - b)).toEqual(ofPicture(large.indices, 0));
  });

  it('is the same alone, in a batch and again', async () => {
    const alone = new Tensor('float32', (pixels.data as Float32Array).slice(0, 3 * 96 * 96), [1, 3, 96, 96]);
    const [one, all] = await Promise.all([run(withSelection, { pixels: alone, ...asked(1, { count: 16 }) }), run(withSelection, { pixels, ...asked(batch, { count: 16 }) })]);
    expect(ofPicture(one.indices, 0)).toEqual(ofPicture(all.indices, 0));
    expect((await run(withSelection, { pixels, ...asked(batch, { count: 16 }) })).scores.data).toEqual(all.scores.data);
  });
});
