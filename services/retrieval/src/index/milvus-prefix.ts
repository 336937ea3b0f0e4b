/** Prefixes of vectors where only inner products of whole ones are ranked. */

/** Shares of a sample whose prefixes are shorter than what `leastNorm` says. */
const shorterShare = 0.005;

/** The vector's prefix of length 1, and zeros: its inner product with a row is the prefixes' cosine times the length of the row's prefix. */
export function padded(vector: Float32Array, prefix: number): Float32Array {
  const length = Math.sqrt(product(vector, vector, prefix));
  return vector.map((value, index) => (index < prefix ? value / length : 0));
}

/** Of the first numbers of both; NaN when one has no direction in them. */
export function prefixCosine(a: ArrayLike<number>, b: ArrayLike<number>, prefix: number): number {
  return product(a, b, prefix) / (Math.sqrt(product(a, a, prefix)) * Math.sqrt(product(b, b, prefix)));
}

/** @returns a length that 99.5 % of the prefixes of a sample reach; 0 without one. */
export function leastNorm(sample: readonly ArrayLike<number>[], prefix: number): number {
  const norms = sample.map((vector) => Math.sqrt(product(vector, vector, prefix))).sort((a, b) => a - b);
  return norms.at(Math.floor(norms.length * shorterShare)) ?? 0;
}

export function product(a: ArrayLike<number>, b: ArrayLike<number>, length = a.length): number {
  let sum = 0;
  for (let index = 0; index < length; index++) sum += a[index] * b[index];
  return sum;
}
