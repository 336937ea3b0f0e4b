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
  const rest = (token: number) => {
    const left = Float64Array.from(rows.subarray(token * width, (token + 1) * width));
    // Twice: what rounding leaves of the first time is gone after the second.
    for (const direction of [...directions, ...directions]) {
      const along = left.reduce((sum, value, i) => sum + value * direction[i], 0);
      for (let i = 0; i < width; i++) left[i] -= along * direction[i];
    }
    return left;
  };
  for (const token of new Set(strideTokens(tokens, Math.min(basis, tokens)))) {
    const left = rest(token);
    const length = Math.hypot(...left);
    const whole = Math.hypot(...rows.subarray(token * width, (token + 1) * width));
    if (length > 1e-6 * whole) directions.push(left.map((value) => value / length));
  }
  return Float64Array.from({ length: tokens }, (_, token) => Math.hypot(...rest(token)));
}
