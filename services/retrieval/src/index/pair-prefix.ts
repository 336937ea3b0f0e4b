/** Pairs of a sample by which the width is chosen. */
export interface PrefixChoice {
  /** Rows of unit length, some 100, in no order that is about similarity. */
  readonly sample: readonly Float32Array[];
  readonly threshold: number;
}

/** Work of a pair beside its prefix, and of one that passes, in bytes of prefix: from bench/duplicates on two machines' cores. */
const fixedCost = 24;
const passCost = 2000;
const longest = 512;

/**
 * How many leading values the first bound of pair-search.ts should read: few are quick, many rule out more. Embeddings whose
 * first values carry most need 16 or 32, others more. Any answer is right; this one is quick.
 *
 * @returns a multiple of 16, at most 512 and the padded dimension.
 */
export function pairPrefix({ sample, threshold }: PrefixChoice): number {
  const dimension = sample[0]?.length ?? 16;
  const steps = Math.min(longest, Math.ceil(dimension / 16) * 16) / 16;
  const scales = sample.map((vector) => vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127);
  const passed = new Float64Array(steps);
  let pairs = 0;
  for (let a = 0; a < sample.length; a++) {
    for (let b = a + 1; b < sample.length; b++) {
      pairs++;
      countPassing(sample[a], sample[b], (scales[a] + scales[b]) * 0.29 * Math.sqrt(dimension), scales[a], threshold, passed);
    }
  }
  if (pairs === 0) return 16;
  const costs = Array.from(passed, (count, step) => 16 * (step + 1) + fixedCost + (count / pairs) * passCost);
  return 16 * (costs.indexOf(Math.min(...costs)) + 1);
}

/** Adds one to each step whose bound does not rule the pair out. */
function countPassing(a: Float32Array, b: Float32Array, residuals: number, scale: number, threshold: number, passed: Float64Array): void {
  let product = 0;
  let tailA = 1;
  let tailB = 1;
  for (let step = 0; step < passed.length; step++) {
    const end = Math.min(a.length, 16 * (step + 1));
    for (let i = 16 * step; i < end; i++) {
      product += a[i] * b[i];
      tailA -= a[i] * a[i];
      tailB -= b[i] * b[i];
    }
    const bound = product + Math.sqrt(Math.max(0, tailA) * Math.max(0, tailB)) + residuals + 0.5 * scale * Math.sqrt(end);
    if (bound >= threshold) passed[step]++;
  }
}
