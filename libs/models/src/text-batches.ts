/** Texts of similar length that travel in one request. */
export interface TextBatch {
  /** Positions in the caller's order. */
  rows: number[];
  /** Tokens a row, padding included. */
  length: number;
}

/**
 * A request's length is rounded up, because Triton and model-server join requests only when their shapes are equal:
 * to 8 up to 64 tokens, to 32 beyond. Measured in bench/embedding.
 */
export function paddedLength(tokens: number, maximum: number): number {
  const step = tokens <= 64 ? 8 : 32;
  return Math.min(Math.ceil(tokens / step) * step, maximum);
}

/** What one request may hold. */
export interface BatchLimits {
  rows: number;
  /** Padding included, unless a single text has more. */
  tokens: number;
  /** Tokens of one text. */
  maximumTokens: number;
}

/** Sorts by length, so that a short text does not pay for a long one, and cuts where a batch is full or the length changes. */
export function textBatches(lengths: readonly number[], { rows, tokens, maximumTokens }: BatchLimits): TextBatch[] {
  const batches: TextBatch[] = [];
  const byLength = lengths.map((_, row) => row).sort((a, b) => lengths[a] - lengths[b]);
  for (const row of byLength) {
    const length = paddedLength(lengths[row], maximumTokens);
    const last = batches.at(-1);
    const hasRoom = last?.length === length && last.rows.length < rows && (last.rows.length + 1) * length <= tokens;
    if (hasRoom) last.rows.push(row);
    else batches.push({ rows: [row], length });
  }
  return batches;
}
