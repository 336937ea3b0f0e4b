/** What is measured of a selection: pure functions. */

/** The probability that a token of the object has a higher score than one of the ground; equal scores count half (Mann, Whitney 1947). */
export function areaUnderCurve(scores: ArrayLike<number>, isObject: readonly boolean[]): number {
  const order = isObject.map((_, token) => token).sort((a, b) => scores[a] - scores[b]);
  let [rankSum, at] = [0, 0];
  while (at < order.length) {
    let end = at;
    while (end < order.length && scores[order[end]] === scores[order[at]]) end += 1;
    for (let place = at; place < end; place++) if (isObject[order[place]]) rankSum += (at + 1 + end) / 2;
    at = end;
  }
  const objects = isObject.filter(Boolean).length;
  return (rankSum - (objects * (objects + 1)) / 2) / (objects * (isObject.length - objects));
}

/** Of the object's tokens as many as could be kept: kept ones ÷ min(K, tokens of the object). */
export function recall(kept: ArrayLike<number>, isObject: readonly boolean[]): number {
  const found = Array.from(kept).filter((token) => isObject[token]).length;
  return found / Math.min(kept.length, isObject.filter(Boolean).length);
}

/** Of the object's tokens all: what a picture of text needs. */
export function shareKept(kept: ArrayLike<number>, isObject: readonly boolean[]): number {
  return Array.from(kept).filter((token) => isObject[token]).length / isObject.filter(Boolean).length;
}

/** Shared ÷ all: 1 when two sets are equal. */
export function jaccard(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const first = new Set(Array.from(a));
  const shared = Array.from(b).filter((token) => first.has(token)).length;
  return shared / (first.size + b.length - shared);
}

/** The mean of the shares of object and ground tokens that are named right; 0.5 is what guessing gives. */
export function balancedAccuracy(named: readonly boolean[], isObject: readonly boolean[]): number {
  const share = (value: boolean) => named.filter((name, token) => isObject[token] === value && name === value).length / isObject.filter((is) => is === value).length;
  return (share(true) + share(false)) / 2;
}

/** Rows made comparable: mean 0 and deviation 1 in each (the norm of most encoders, without its weights), less a common center, length 1. */
export function comparable(rows: Float32Array, width: number, center?: Float64Array): Float32Array {
  const out = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += width) {
    let [sum, squares] = [0, 0];
    for (let i = at; i < at + width; i++) sum += rows[i];
    for (let i = at; i < at + width; i++) squares += (rows[i] - sum / width) ** 2;
    const deviation = Math.sqrt(squares / width) || 1;
    let length = 0;
    for (let i = 0; i < width; i++) length += (out[at + i] = (rows[at + i] - sum / width) / deviation - (center?.[i] ?? 0)) ** 2;
    if (center) for (let i = at; i < at + width; i++) out[i] /= Math.sqrt(length) || 1;
  }
  return out;
}

/** a × b cosines of rows of length 1. */
export function cosines(a: Float32Array, b: Float32Array, width: number): Float32Array {
  const [rows, columns] = [a.length / width, b.length / width];
  const out = new Float32Array(rows * columns);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      let sum = 0;
      for (let i = 0, x = row * width, y = column * width; i < width; i++, x++, y++) sum += a[x] * b[y];
      out[at] = sum;
    }
  }
  return out;
}

/** For each row the place of the largest of `columns` numbers, and that number. */
export function largest(table: Float32Array, columns: number): { place: Uint32Array; value: Float32Array } {
  const rows = table.length / columns;
  const [place, value] = [new Uint32Array(rows), new Float32Array(rows).fill(-Infinity)];
  for (let at = 0; at < table.length; at++) {
    const row = Math.floor(at / columns);
    if (table[at] > value[row]) [place[row], value[row]] = [at % columns, table[at]];
  }
  return { place, value };
}

export const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
