/**
 * Exact answers from 8-bit rows.
 *
 * **Rows.** A vector x of d float32 is stored as x′ = s·k with k ∈ [−127, 127]^d and s = max|x| / 127, beside figures of it:
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
 * the same holds when e grows to c = e + t·‖l − 63.5‖, about 0.014, and l is read only for the few rows whose coarse bound is
 * among the best.
 *
 * **Head.** The first 64 values (a head of h) are stored apart from the rest, the tail. Where 1 and 2 denote them,
 *
 *     ⟨q, x⟩ ≤ ⟨q′₁, x′₁⟩ + ‖q₁‖·s·√h/2 + c₁·‖x′₁‖ + ‖q₂‖·‖x₂‖,
 *
 * since no value of the head lost more than s/2. That is computed for all rows from a quarter of the bytes, in float32 with what
 * float32 may lose added. The rows with the highest such bounds are read first; then a threshold is there that rules out nearly
 * all others unread when the first values carry most, as in Matryoshka embeddings. When the heads rule out little, whole rows
 * are read at once.
 *
 * **Prefixes.** The first p values, each side divided by its own length, are rows and a query like any other: the same bytes k
 * with s / ‖x_p‖ for s and with their own figures.
 *
 * **Certificate.** b(x) less twice what was added is a lower bound of ⟨q, x⟩. The threads keep the k′ rows with the highest b, but
 * none below the k-th highest lower bound, and report the larger of the smallest b kept and that lower bound, m; each row left
 * out has ⟨q, x⟩ ≤ m. The kept rows are scored with their float32 vectors and put into groups. If the best row of the k-th best
 * group scores above m, or no row was left out, no row left out can be the best of a group among the k best, not even on a tie:
 * the answer is proven. Otherwise k′ grows fourfold, at the latest until every row is kept. Where groups are too few, those
 * with a row above m are complete as far as their best goes, and the next scan leaves out all their rows. Recall is 1 by
 * construction, not by measurement.
 */

/** Bytes of a row's values: a whole number of vector registers. */
export const paddedWidth = (dimension: number) => Math.ceil(dimension / 16) * 16;

/** Values in the head of a row; a short row has no tail. */
export const headWidth = (dimension: number) => {
  const width = paddedWidth(dimension);
  return width < 128 ? width : width < 768 ? 64 : 128;
};

/** Writes the quantised `vector` into `values` (paddedWidth long, its padding is zeroed). @returns the scale, a float32. */
export function quantiseRow(vector: Float32Array, values: Int8Array): number {
  let largest = 0;
  for (let i = 0; i < vector.length; i++) largest = Math.max(largest, Math.abs(vector[i]));
  const scale = Math.fround(largest / 127);
  // The smallest float32 numbers have no 127th: their scale is 0 and all of the vector is residual.
  for (let i = 0; i < vector.length; i++) values[i] = scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(vector[i] / scale)));
  values.fill(0, vector.length);
  return scale;
}

/** A row as a bound reads it: float32 figures, rounded up, and sums of k. */
export interface RowFigures {
  readonly scale: number;
  readonly residual: number;
  /** ‖x′₁‖, or Infinity for a row so short that float32 cannot say what its values lost. */
  readonly headNorm: number;
  /** The larger of ‖x₂‖ and ‖x′₂‖. */
  readonly tailNorm: number;
  readonly headSum: number;
  readonly sum: number;
}

/** A scale below has too few bits for `no more than s/2`. */
const leastScale = 1e-30;

/**
 * @param values   of `quantiseRow`, with its `scale`.
 * @param head     values in the head.
 * @param prefix   leading values that count, at most the dimension.
 * @param length   what they are divided by: 1, or the length of the prefix.
 */
export function rowFigures(vector: Float32Array, values: Int8Array, { scale, head, prefix, length }: { scale: number; head: number; prefix: number; length: number }): RowFigures {
  const own = Math.fround(scale / length);
  let lost = 0;
  let headSquares = 0;
  let headSum = 0;
  let squares = 0;
  let sum = 0;
  let tailSquares = 0;
  for (let i = 0; i < prefix; i++) {
    const value = values[i];
    const exact = vector[i] / length;
    const difference = exact - own * value;
    lost += difference * difference;
    squares += value * value;
    sum += value;
    if (i >= head) tailSquares += exact * exact;
    else {
      headSquares += value * value;
      headSum += value;
    }
  }
  const headNorm = own < leastScale ? Infinity : roundUp(own * Math.sqrt(headSquares));
  const tailNorm = roundUp(Math.max(Math.sqrt(tailSquares), own * Math.sqrt(squares - headSquares)));
  return { scale: own, residual: roundUp(Math.sqrt(lost)), headNorm, tailNorm, headSum, sum };
}

export interface QuantisedQuery {
  /** High and low 7 bits, each plane paddedWidth long. */
  readonly planes: Uint8Array;
  /** Values in the head. */
  readonly head: number;
  /** t, ‖q‖, e and c. */
  readonly scale: number;
  readonly norm: number;
  readonly error: number;
  readonly coarseError: number;
  /** For bounds in float32: t; of the head's bound the factors of s, ‖x′₁‖ and ‖x₂‖; of the whole row's those of s, r and n. */
  readonly float32: {
    readonly scale: number;
    readonly headSlack: number;
    readonly headError: number;
    readonly tailNorm: number;
    readonly wholeSlack: number;
    readonly wholeNorm: number;
    readonly wholeError: number;
  };
}

/**
 * @param head   values in the head of a row.
 * @param length what the vector is divided by.
 */
export function quantiseQuery(vector: Float32Array, head = headWidth(vector.length), length = 1): QuantisedQuery {
  const dimension = vector.length;
  const width = paddedWidth(dimension);
  const planes = new Uint8Array(2 * width);
  let largest = 0;
  for (let i = 0; i < dimension; i++) largest = Math.max(largest, Math.abs(vector[i]));

  const scale = largest / 8191;
  let lost = 0;
  let squares = 0;
  let lows = 0;
  let headSquares = 0;
  let headLows = 0;
  for (let i = 0; i < dimension; i++) {
    const value = Math.round(vector[i] / scale);
    const difference = vector[i] - scale * value;
    planes[i] = (value + 8192) >> 7;
    planes[width + i] = (value + 8192) & 127;
    lost += difference * difference;
    squares += vector[i] * vector[i];
    lows += (planes[width + i] - 63.5) ** 2;
    if (i === Math.min(head, dimension) - 1) [headSquares, headLows] = [squares, lows];
  }
  const own = scale / length;
  const norm = (Math.sqrt(squares) / length) * (1 + 1e-12);
  const rounding = norm * (dimension + 16) * 2 ** -50;
  const error = (Math.sqrt(lost) / length) * (1 + 1e-12) + rounding;
  const headNorm = (Math.sqrt(headSquares) / length) * (1 + 1e-12);
  const headDimension = Math.min(head, dimension);
  // What float32 loses in the sum of up to 127·16383·h, which is then subtracted from another as large.
  const float32Loss = own * 127 * 8192 * 2 ** -20;
  const coarseError = error + own * Math.sqrt(lows) * (1 + 1e-12);
  return {
    planes,
    head: Math.min(head, width),
    scale: own,
    norm,
    error,
    coarseError,
    float32: {
      scale: Math.fround(own),
      headSlack: roundUp(headNorm * 0.5002 * Math.sqrt(headDimension) + float32Loss * headDimension),
      headError: roundUp(error + own * Math.sqrt(headLows)),
      tailNorm: roundUp((Math.sqrt(squares - headSquares) / length) * (1 + 1e-12) + rounding + norm * 1e-12),
      wholeSlack: roundUp(float32Loss * dimension),
      wholeNorm: roundUp(norm),
      wholeError: roundUp(coarseError),
    },
  };
}

/** A float32 that is at least `value`, with more to spare than float64 sums lose. Zero stays: the smallest numbers are slow to multiply. */
const roundUp = (value: number) => (value === 0 ? 0 : Math.fround(value * (1 + 2 ** -20) + 2 ** -149));
