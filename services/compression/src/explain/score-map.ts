import type { HeatMap } from '@touchstone/models';

/** Scores as a heat map, from the lowest to the highest; kept tokens are framed. Equal scores are all in the middle. */
export function scoreMap(scores: Float32Array, kept: readonly number[], grid: { readonly rows: number; readonly columns: number }): HeatMap & { readonly lowest: number; readonly highest: number } {
  const [lowest, highest] = [Math.min(...scores), Math.max(...scores)];
  const framed = new Uint8Array(scores.length);
  for (const token of kept) framed[token] = 1;
  const level = (score: number) => (highest === lowest ? 128 : Math.round(((score - lowest) / (highest - lowest)) * 255));
  return { ...grid, levels: Uint8Array.from(scores, level), framed, lowest, highest };
}
