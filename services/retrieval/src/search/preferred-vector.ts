/**
 * One query from examples: Qdrant's strategy `average_vector`, mean of the positive + (mean of the positive − mean of the
 * negative); without negative ones the mean of the positive (qdrant.tech/documentation/search/explore).
 *
 * @param positive at least one vector, all of one length.
 * @param negative any number, of the same length.
 * @returns a vector of length 1; undefined when the examples leave no direction.
 */
export function preferredVector(positive: readonly Float32Array[], negative: readonly Float32Array[]): Float32Array | undefined {
  const liked = mean(positive);
  if (negative.length === 0) return unitVector(liked);
  const disliked = mean(negative);
  return unitVector(liked.map((value, index) => 2 * value - disliked[index]));
}

/** Of length 1; undefined for what is too short to have a direction: float32 rounds to about 1e-7. */
export function unitVector(values: ArrayLike<number>): Float32Array | undefined {
  let squares = 0;
  for (let index = 0; index < values.length; index++) squares += values[index] * values[index];
  const length = Math.sqrt(squares);
  return length > 1e-6 ? Float32Array.from(values, (value) => value / length) : undefined;
}

function mean(vectors: readonly Float32Array[]): Float64Array {
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let index = 0; index < sum.length; index++) sum[index] += vector[index];
  return sum.map((value) => value / vectors.length);
}
