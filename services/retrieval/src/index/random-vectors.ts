/** Normal with mean 0 and variance 1: Box and Muller, 1958. */
export const gaussian = (random: () => number) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Uniform on the unit sphere. */
export function unitVector(dimension: number, random: () => number): Float32Array {
  return normalised(Float32Array.from({ length: dimension }, () => gaussian(random)));
}

export function normalised(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}
