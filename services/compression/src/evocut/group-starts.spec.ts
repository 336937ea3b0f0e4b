import { seededRandom } from '@touchstone/runtime/random';
import { describe, expect, it } from 'vitest';
import { evolutionScores, keptTokens, paperParameters, strideTokens } from './evocut.ts';
import { averagedScores, plusPlusStart, randomStart } from './group-starts.ts';
import { plantedStates } from './planted.ts';

/** Ten tokens along x, then one along y, one along z. */
const [tokens, width] = [12, 3];
const directions = Float64Array.from(Array.from({ length: tokens }, (_, token) => (token < 10 ? [1, 0, 0] : token === 10 ? [0, 1, 0] : [0, 0, 1])).flat());

describe('k-means++', () => {
  it('never draws a direction twice while there are others', () => {
    for (let seed = 0; seed < 200; seed++) {
      const chosen = plusPlusStart(seededRandom(seed))(directions, tokens, width, 3);
      expect(chosen.map((token) => Math.max(9, token)).sort((a, b) => a - b)).toEqual([9, 10, 11]);
    }
  });

  it('draws by squared distance', () => {
    // 0, 60 and 90 degrees: from the first, squared distances are 1 and 2.
    const rows = Float64Array.of(1, 0, 0.5, Math.sqrt(0.75), 0, 1);
    const pairs = Array.from({ length: 9000 }, (_, seed) => plusPlusStart(seededRandom(seed))(rows, 3, 2, 2)).filter(([first]) => first === 0);
    const share = pairs.filter(([, second]) => second === 2).length / pairs.length;
    expect(share).toBeGreaterThan(0.63); // 2/3; a standard deviation of some 3,000 draws is 0.009
    expect(share).toBeLessThan(0.7);
  });

  it('draws something where all directions are equal', () => {
    const chosen = plusPlusStart(seededRandom(1))(new Float64Array(12).fill(0.5), 3, 4, 2);
    expect(chosen.every((token) => token >= 0 && token < 3)).toBe(true);
  });
});

it('random tokens are distinct and follow from the seed', () => {
  const draw = (seed: number) => randomStart(seededRandom(seed))(directions, tokens, width, 8);
  expect(new Set(draw(1)).size).toBe(8);
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
});

it('an average is the mean of scores', () => {
  const states = plantedStates({ noise: 0.5, seed: 4 });
  const starts = [() => strideTokens(64, 8), () => [1, 2, 3, 4, 5, 6, 7, 8]];
  const [one, other] = starts.map((start) => evolutionScores(states, paperParameters, { start }));
  averagedScores(states, starts).forEach((score, token) => expect(score).toBeCloseTo((one[token] + other[token]) / 2, 12));
  expect(() => averagedScores(states, [])).toThrow(/at least one/);
});

describe('the mass guard', () => {
  const deviants = [3, 12, 22, 30, 47, 58];
  const states = plantedStates({ deviants, seed: 1, groups: 4 });
  /** Six of eight groups begin at the very tokens that should stand out. */
  const start = () => [...deviants, 0, 1];

  it('gives a group of few no say', () => {
    expect([...keptTokens(evolutionScores(states, paperParameters, { start }), 6)]).not.toEqual(deviants);
    expect([...keptTokens(evolutionScores(states, paperParameters, { start, leastShare: 0.06 }), 6)]).toEqual(deviants);
  });

  it('off by default', () => {
    expect(evolutionScores(states, paperParameters, { start })).toEqual(evolutionScores(states, paperParameters, { start, leastShare: 0 }));
  });

  it('leaves the largest group when none is large enough', () => {
    const scores = evolutionScores(states, paperParameters, { start, leastShare: 0.99 });
    expect(scores.every(Number.isFinite)).toBe(true);
    expect(Math.max(...scores)).toBeLessThanOrEqual(2);
  });

  it.each([-0.1, 1, Number.NaN])('of %d is refused', (leastShare) => {
    expect(() => evolutionScores(states, paperParameters, { leastShare })).toThrow(/leastShare: expected a number from 0 to below 1/);
  });
});
