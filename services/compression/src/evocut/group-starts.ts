/** Other beginnings of EvoCut's groups, and an average over several: extensions of ours, for the report; the service has none of them. */
import { evolutionScores, type EvocutParameters, type GroupStart, type HiddenStates, paperParameters } from './evocut.ts';

/**
 * k-means++: each next token is drawn with a probability that follows its distance to those already drawn. Arthur,
 * Vassilvitskii, SODA 2007; between directions the squared distance is 2 − 2·cos.
 *
 * @param random in [0, 1); its seed decides the tokens.
 */
export const plusPlusStart =
  (random: () => number): GroupStart =>
  (directions, tokens, width, groups) => {
    const chosen = [Math.floor(random() * tokens)];
    const distance = new Float64Array(tokens).fill(Infinity);
    while (chosen.length < groups) {
      let sum = 0;
      for (let token = 0; token < tokens; token++) {
        distance[token] = Math.min(distance[token], Math.max(0, 1 - dot(directions, token, chosen.at(-1)!, width)));
        sum += distance[token];
      }
      chosen.push(drawn(distance, sum * random()));
    }
    return chosen;
  };

/**
 * Tokens drawn without replacement: what a k-means of a library does when it is told nothing else.
 *
 * @param random in [0, 1); its seed decides the tokens.
 */
export const randomStart =
  (random: () => number): GroupStart =>
  (_, tokens, __, groups) => {
    const chosen = new Set<number>();
    while (chosen.size < groups) chosen.add(Math.floor(random() * tokens));
    return [...chosen];
  };

/**
 * The mean of EvoCut's scores over several beginnings. One seed alone keeps other tokens than the next on real photos;
 * docs/compression.md has the figures.
 *
 * @param starts at least one; the time grows with their number.
 */
export function averagedScores(states: HiddenStates, starts: readonly GroupStart[], parameters: EvocutParameters = paperParameters): Float64Array {
  if (starts.length === 0) throw new RangeError('starts: expected at least one');
  const mean = new Float64Array(states.tokens);
  for (const start of starts) evolutionScores(states, parameters, { start }).forEach((score, token) => (mean[token] += score / starts.length));
  return mean;
}

function dot(rows: Float64Array, a: number, b: number, width: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += rows[a * width + i] * rows[b * width + i];
  return sum;
}

/** The token where the running sum of weights passes `mark`; where all weights are 0, the first. */
function drawn(weights: Float64Array, mark: number): number {
  let sum = 0;
  for (let token = 0; token < weights.length; token++) {
    sum += weights[token];
    if (sum > mark) return token;
  }
  return Math.max(0, weights.findLastIndex((weight) => weight > 0));
}
