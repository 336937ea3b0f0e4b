/** What two choices among the same tokens have in common. */
export interface Agreement {
  /** Tokens of both. */
  readonly overlap: number;
  /** Those of all that one of them has; 1 for equal choices. */
  readonly jaccard: number;
}

export function agreement(one: ArrayLike<number>, other: ArrayLike<number>): Agreement {
  const first = new Set(Array.from(one));
  const overlap = Array.from(other).filter((token) => first.has(token)).length;
  return { overlap, jaccard: overlap / (one.length + other.length - overlap) };
}

/** Mean of the scores of chosen tokens, at least one. */
export function meanScore(scores: Float32Array, indices: ArrayLike<number>): number {
  return Array.from(indices).reduce((sum, token) => sum + scores[token], 0) / indices.length;
}
