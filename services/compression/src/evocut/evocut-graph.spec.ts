import { editGraph, emptyModel } from '@touchstone/onnx-graph';
import { seededRandom } from '@touchstone/runtime/random';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { evocutSelection, type EncoderGraph } from './evocut-graph.ts';
import { evolutionScores, type EvocutParameters, type HiddenStates, keptTokens, paperParameters } from './evocut.ts';
import { normal, plantedStates } from './planted.ts';
import { tinyEncoder, tinyEncoderGraph } from './tiny-encoder.ts';

type Outputs = Record<string, { data: Float32Array | BigInt64Array; dims: readonly number[] }>;

async function run(model: Uint8Array, inputs: Record<string, Tensor>): Promise<Outputs> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  return (await session.run(inputs)) as unknown as Outputs;
}

const ranks = (batch: number, from: number, count: number) =>
  new Tensor('int64', BigInt64Array.from({ length: batch * count }, (_, index) => BigInt(from + (index % count))), [batch, count]);

/** Runs the selection alone, on hidden states that are inputs of the graph. */
async function select(states: HiddenStates, count: number, parameters?: EvocutParameters): Promise<Outputs> {
  const { layers, tokens, width } = states;
  const names = layers.map((_, layer) => `layer_${layer}`);
  const graph: EncoderGraph = { layers: names, selectLayer: names.at(-1)!, firstPatch: 0, patches: tokens, width };
  const selection = evocutSelection(graph, parameters);
  const inputs = [...names.map((name) => ({ name, type: 'FLOAT' as const, shape: ['batch', tokens, width] })), ...selection.inputs];
  const model = editGraph(emptyModel(), { ...selection, inputs, removed: [] });
  return run(model, { ...Object.fromEntries(layers.map((layer, index) => [names[index], new Tensor('float32', layer, [1, tokens, width])])), ranks: ranks(1, 0, count) });
}

const deviants = [3, 12, 22, 30, 47, 58];

it.each([1, 2, 3])('keeps exactly the planted deviants, seed %d', async (seed) => {
  const { indices } = await select(plantedStates({ deviants, seed }), deviants.length);
  expect([...indices.data].map(Number)).toEqual(deviants);
});

it.each<[string, EvocutParameters]>([
  ['the paper’s', paperParameters],
  ['three groups, five rounds', { groups: 3, iterations: 5, momentum: 0.5 }],
  ['one group, no round', { groups: 1, iterations: 0, momentum: 0 }],
])('scores as evocut.ts does, parameters: %s', async (_, parameters) => {
  const states = plantedStates({ deviants, noise: 0.5, seed: 11 });
  const { scores } = await select(states, 1, parameters);
  evolutionScores(states, parameters).forEach((score, token) => expect(scores.data[token]).toBeCloseTo(score, 5));
});

it('of a picture that does not change keeps the first tokens, without NaN', async () => {
  const layers = [1, 2, 3].map(() => new Float32Array(64 * 32).fill(0.5));
  const { scores, indices } = await select({ layers, tokens: 64, width: 32 }, 3);
  expect([...scores.data]).toEqual(Array(64).fill(0));
  expect([...indices.data]).toEqual([0n, 1n, 2n]);
});

describe('in an encoder', () => {
  const { patches, width } = tinyEncoderGraph;
  const encoder = tinyEncoder(1);
  const selection = evocutSelection(tinyEncoderGraph);
  const withSelection = editGraph(encoder, { ...selection, removed: [] });
  const batch = 3;
  const draw = normal(seededRandom(5));
  const pixels = new Tensor('float32', Float32Array.from({ length: batch * 3 * 96 * 96 }, draw), [batch, 3, 96, 96]);

  /** What evocut.ts makes of the hidden states that left the graph. */
  const reference = (outputs: Outputs, picture: number) => {
    const rows = 1 + patches;
    const layers = tinyEncoderGraph.layers.map((name) => (outputs[name].data as Float32Array).subarray((picture * rows + 1) * width, (picture + 1) * rows * width));
    return { scores: evolutionScores({ layers, tokens: patches, width }), last: layers.at(-1)! };
  };

  it.each([1, 16, patches])('every picture of a batch has the scores, indices and tokens of evocut.ts, %d kept', async (count) => {
    const outputs = await run(withSelection, { pixels, ranks: ranks(batch, 0, count) });
    expect(outputs.kept_tokens.dims).toEqual([batch, count, width]);
    for (let picture = 0; picture < batch; picture++) {
      const { scores, last } = reference(outputs, picture);
      scores.forEach((score, token) => expect(outputs.scores.data[picture * patches + token]).toBeCloseTo(score, 5));
      const kept = [...keptTokens(scores, count)];
      expect([...outputs.indices.data.slice(picture * count, (picture + 1) * count)].map(Number)).toEqual(kept);
      const tokens = Float32Array.from(kept.flatMap((token) => [...last.subarray(token * width, (token + 1) * width)]));
      expect(outputs.kept_tokens.data.slice(picture * count * width, (picture + 1) * count * width)).toEqual(tokens);
    }
  });

  it('the next ranks are the tokens that a larger budget adds', async () => {
    const [small, next, large] = await Promise.all([ranks(batch, 0, 10), ranks(batch, 10, 10), ranks(batch, 0, 20)].map((ranks) => run(withSelection, { pixels, ranks })));
    const firstPicture = ({ indices }: Outputs, count: number) => [...indices.data.slice(0, count)].map(Number);
    expect([...firstPicture(small, 10), ...firstPicture(next, 10)].sort((a, b) => a - b)).toEqual(firstPicture(large, 20));
  });

  it('is the same alone and in a batch', async () => {
    const alone = new Tensor('float32', (pixels.data as Float32Array).slice(0, 3 * 96 * 96), [1, 3, 96, 96]);
    const [one, all] = await Promise.all([run(withSelection, { pixels: alone, ranks: ranks(1, 0, 16) }), run(withSelection, { pixels, ranks: ranks(batch, 0, 16) })]);
    expect([...one.indices.data]).toEqual([...all.indices.data.slice(0, 16)]);
  });
});
