/**
 * Exact answers from 8-bit rows.
 *
 * **Rows.** A vector x of d float32 is stored as x′ = s·k with k ∈ [−127, 127]^d and s = max|x| / 127, beside three figures:
 * the residual r ≥ ‖x − x′‖, the norm n ≥ ‖x′‖ and the sum Σk. Vectors of unit length in 256 dimensions have r ≈ 0.006.
 *
 * **Query.** q is stored as q′ = t·u with u ∈ [−8191, 8191]^d (14 bits) and e ≥ ‖q − q′‖, about 1e-4. u + 8192 = 128·h + l
 * with bytes h, l ∈ [0, 127], since the fastest dot product of WebAssembly takes signed 8 bits by 7 bits; in this range it is
 * the same on every machine. So ⟨q′, x′⟩ = s·t·(128·⟨h, k⟩ + ⟨l, k⟩ − 8192·Σk), in integers that cannot overflow below
 * 133,000 dimensions, joined in float64.
 *
 * **Bound.** ⟨q, x⟩ − ⟨q′, x′⟩ = ⟨q, x − x′⟩ + ⟨q − q′, x′⟩, so by Cauchy–Schwarz
 *
 *     ⟨q, x⟩ ≤ b(x) := ⟨q′, x′⟩ + ‖q‖·r + e·n.
 *
 * r, n and e are rounded up, and e and r carry the rounding errors of the float64 sums on both sides. With 63.5 for each l
 * the same holds when e grows to c = e + t·‖l − 63.5‖, about 0.014: most rows are ruled out by h alone, and l is read for the
 * few whose coarse bound is among the best.
 *
 * **Certificate.** The threads keep the k′ rows with the highest b and report the smallest b kept, m; each row left out has
 * ⟨q, x⟩ ≤ b(x) ≤ m. The kept rows are scored with their float32 vectors. If the k-th best distinct item scores above m, or no
 * row was left out, no row left out can be among the k best, not even on a tie: the answer is proven. Otherwise k′ grows
 * fourfold, at the latest until every row is kept. Recall is 1 by construction, not by measurement.
 */

/** float32 figures before a stored row's values: scale, residual, norm, sum (an int32). */
export const rowHeaderBytes = 16;

/** Bytes of a row's values: a whole number of vector registers. */
export const paddedWidth = (dimension: number) => Math.ceil(dimension / 16) * 16;

export interface QuantisedRow {
  readonly scale: number;
  readonly residual: number;
  readonly norm: number;
  readonly sum: number;
}

/** Writes the quantised `vector` into `values` (paddedWidth long, its padding is zeroed). */
export function quantiseRow(vector: Float32Array, values: Int8Array): QuantisedRow {
  const dimension = vector.length;
  let largest = 0;
  for (let i = 0; i < dimension; i++) largest = Math.max(largest, Math.abs(vector[i]));

  const scale = Math.fround(largest / 127);
  let lost = 0;
  let squares = 0;
  let sum = 0;
  for (let i = 0; i < dimension; i++) {
    // The smallest float32 numbers have no 127th: their scale is 0 and all of the vector is residual.
    const value = scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(vector[i] / scale)));
    const difference = vector[i] - scale * value;
    values[i] = value;
    lost += difference * difference;
    squares += value * value;
    sum += value;
  }
  values.fill(0, dimension);
  return { scale, residual: roundUp(Math.sqrt(lost)), norm: roundUp(scale * Math.sqrt(squares)), sum };
}

export interface QuantisedQuery {
  /** High and low 7 bits, each plane paddedWidth long. */
  readonly planes: Uint8Array;
  /** t, ‖q‖, e and c. */
  readonly scale: number;
  readonly norm: number;
  readonly error: number;
  readonly coarseError: number;
}

export function quantiseQuery(vector: Float32Array): QuantisedQuery {
  const dimension = vector.length;
  const width = paddedWidth(dimension);
  const planes = new Uint8Array(2 * width);
  let largest = 0;
  for (let i = 0; i < dimension; i++) largest = Math.max(largest, Math.abs(vector[i]));

  const scale = largest / 8191;
  let lost = 0;
  let squares = 0;
  let lows = 0;
  for (let i = 0; i < dimension; i++) {
    const value = Math.round(vector[i] / scale);
    const difference = vector[i] - scale * value;
    planes[i] = (value + 8192) >> 7;
    planes[width + i] = (value + 8192) & 127;
    lost += difference * difference;
    squares += vector[i] * vector[i];
    lows += (planes[width + i] - 63.5) ** 2;
  }
  const norm = Math.sqrt(squares) * (1 + 1e-12);
  const rounding = norm * (dimension + 16) * 2 ** -50;
  const error = Math.sqrt(lost) * (1 + 1e-12) + rounding;
  return { planes, scale, norm, error, coarseError: error + scale * Math.sqrt(lows) * (1 + 1e-12) };
}

/** A float32 that is at least `value`, with more to spare than float64 sums lose. */
const roundUp = (value: number) => Math.fround(value * (1 + 2 ** -22) + 2 ** -149);
