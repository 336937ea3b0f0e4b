import { seededRandom } from '@touchstone/runtime/random';
import { describe, expect, it } from 'vitest';
import { evolutionScores, type HiddenStates, keptTokens, paperParameters, strideTokens } from './evocut.ts';
import { furthestTokens, plantedStates } from './planted.ts';

const deviants = [3, 12, 22, 30, 47, 58];
const seeds = [1, 2, 3, 4, 5];
const kept = (states: HiddenStates, count: number, start?: readonly number[]) => [...keptTokens(evolutionScores(states, paperParameters, start && { start: () => start }), count)];

describe('planted deviants', () => {
  it.each(seeds)('are exactly the tokens that are kept, seed %d', (seed) => {
    expect(kept(plantedStates({ deviants, seed }), deviants.length)).toEqual(deviants);
  });

  it.each(seeds)('are lost when groups begin at the tokens furthest apart, seed %d', (seed) => {
    const states = plantedStates({ deviants, seed });
    expect(kept(states, deviants.length, furthestTokens(states, 8))).not.toEqual(deviants);
  });

  it.each(seeds)('that persist come before those of one layer, seed %d', (seed) => {
    const scores = evolutionScores(plantedStates({ deviants: [10], spikes: [20], seed }));
    expect([...keptTokens(scores, 2)]).toEqual([10, 20]);
    expect(scores[10]).toBeGreaterThan(scores[20]);
  });
});

describe('scores', () => {
  const states = plantedStates({ deviants, noise: 0.5, seed: 9 });
  const scores = evolutionScores(states);

  it('follow the tokens when these change places', () => {
    const { tokens, width } = states;
    const random = seededRandom(7);
    const order = Array.from({ length: tokens }, (_, token) => token).sort(() => random() - 0.5);
    const layers = states.layers.map((layer) => Float32Array.from({ length: layer.length }, (_, at) => layer[order[Math.floor(at / width)] * width + (at % width)]));
    const start = strideTokens(tokens, paperParameters.groups).map((token) => order.indexOf(token));
    const moved = evolutionScores({ layers, tokens, width }, paperParameters, { start: () => start });
    order.forEach((token, place) => expect(moved[place]).toBeCloseTo(scores[token], 6));
  });

  it('do not change with the size of a step', () => {
    const layers = [states.layers[0]];
    for (let layer = 1; layer < states.layers.length; layer++) {
      layers.push(layers[layer - 1].map((value, at) => value + 4 ** layer * (states.layers[layer][at] - states.layers[layer - 1][at])));
    }
    evolutionScores({ ...states, layers }).forEach((score, token) => expect(score).toBeCloseTo(scores[token], 3));
  });

  it('of a picture that does not change are 0, and the first tokens are kept', () => {
    const layers = [1, 2, 3].map(() => new Float32Array(64 * 32).fill(0.5));
    const still = evolutionScores({ layers, tokens: 64, width: 32 });
    expect([...still]).toEqual(Array(64).fill(0));
    expect([...keptTokens(still, 3)]).toEqual([0, 1, 2]);
  });

  it('of a token that stands still are 0 among others that move', () => {
    const layers = states.layers.map((layer) => layer.slice());
    for (const layer of layers) layer.set(layers[0].subarray(5 * 32, 6 * 32), 5 * 32);
    expect(evolutionScores({ ...states, layers })[5]).toBe(0);
  });

  it('are finite and between 0 and 2', () => {
    for (const score of scores) expect(score >= -1e-12 && score <= 2).toBe(true);
  });
});

describe('what is kept', () => {
  const scores = Float64Array.of(0.1, 0.5, 0.5, 0.9, 0.2);

  it('is in raster order, of equal scores the first', () => {
    expect([...keptTokens(scores, 1)]).toEqual([3]);
    expect([...keptTokens(scores, 2)]).toEqual([1, 3]);
    expect([...keptTokens(scores, 5)]).toEqual([0, 1, 2, 3, 4]);
    expect([...keptTokens(scores, 9)]).toEqual([0, 1, 2, 3, 4]);
  });

  it('with a smaller budget is part of what is kept with a larger one', () => {
    const all = evolutionScores(plantedStates({ deviants, noise: 0.5, seed: 3 }));
    for (let count = 1; count < 64; count++) expect([...keptTokens(all, count + 1)]).toEqual(expect.arrayContaining([...keptTokens(all, count)]));
  });
});

it('begins at tokens evenly apart', () => {
  expect(strideTokens(576, 8)).toEqual([0, 82, 164, 246, 328, 410, 492, 575]);
  expect(strideTokens(10, 1)).toEqual([0]);
});

describe('says what was expected', () => {
  const states = plantedStates({ seed: 1 });
  it.each<[string, HiddenStates, Partial<typeof paperParameters>, RegExp]>([
    ['one layer', { ...states, layers: states.layers.slice(0, 1) }, {}, /at least 2 layers, got 1/],
    ['a layer of another size', { ...states, layers: [states.layers[0], new Float32Array(5)] }, {}, /layers\[1\]: expected 64 × 32 numbers, got 5/],
    ['no group', states, { groups: 0 }, /groups: expected an integer from 1 to 64, got 0/],
    ['more groups than tokens', states, { groups: 65 }, /groups/],
    ['half an iteration', states, { iterations: 0.5 }, /iterations/],
    ['momentum 1', states, { momentum: 1 }, /momentum/],
    ['momentum NaN', states, { momentum: Number.NaN }, /momentum/],
  ])('for %s', (_, states, parameters, message) => {
    expect(() => evolutionScores(states, { ...paperParameters, ...parameters })).toThrow(message);
  });
});
