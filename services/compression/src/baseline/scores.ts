/** Scores of other methods that need nothing but the encoder's hidden states; tokens with high scores are kept. */
import { type HiddenStates, strideTokens } from '../evocut/evocut.ts';

/** How far each token moves between layers, on average: what V2Drop measures inside a language model, in the encoder. */
export function variationScores({ layers, tokens, width }: HiddenStates): Float64Array {
  const scores = new Float64Array(tokens);
  for (let layer = 1; layer < layers.length; layer++) {
    for (let token = 0, at = 0; token < tokens; token++, at += width) {
      let squares = 0;
      for (let i = at; i < at + width; i++) squares += (layers[layer][i] - layers[layer - 1][i]) ** 2;
      scores[token] += Math.sqrt(squares) / (layers.length - 1);
    }
  }
  return scores;
}

/**
 * How badly a few other tokens make up each token: the length of what is left of it after the least-squares approximation by
 * basis tokens (ApET). Basis tokens themselves are approximated fully.
 *
 * @param rows  of one layer, `tokens` × `width`.
 * @param basis how many, evenly apart in raster order.
 */
export function approximationScores(rows: Float32Array, tokens: number, width: number, basis = 10): Float64Array {
  const directions: Float64Array[] = [];
  const left = new Float64Array(width);
  /** Leaves in `left` what the directions do not make up of a token. @returns its length. */
  const approximate = (token: number): number => {
    left.set(rows.subarray(token * width, (token + 1) * width));
    // Twice: what rounding leaves of the first time is gone after the second.
    for (let round = 0; round < 2; round++) {
      for (const direction of directions) {
        let along = 0;
        for (let i = 0; i < width; i++) along += left[i] * direction[i];
        for (let i = 0; i < width; i++) left[i] -= along * direction[i];
      }
    }
    return lengthOf(left);
  };
  for (const token of new Set(strideTokens(tokens, Math.min(basis, tokens)))) {
    const length = approximate(token);
    const whole = lengthOf(rows.subarray(token * width, (token + 1) * width));
    if (length > 1e-6 * whole) directions.push(left.map((value) => value / length));
  }
  return Float64Array.from({ length: tokens }, (_, token) => approximate(token));
}

function lengthOf(vector: Float32Array | Float64Array): number {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += vector[i] ** 2;
  return Math.sqrt(squares);
}
