/** What is kept of a write that its caller named. */
export interface StoredAnswer {
  /** SHA-256 of the request that was answered. */
  readonly requestHash: Uint8Array;
  readonly answer: Uint8Array;
}

/**
 * A write that takes effect once, however often its caller asks for it under one name: by contract it is named with an
 * `Idempotency-Key`, and a database keeps its answer in the write's own transaction.
 */
export interface Once<Result> {
  /** Unique within the tenant. */
  readonly key: string;
  readonly requestHash: Uint8Array;
  /** Longest wait for another call under this name. */
  readonly waitMs: number;
  /** What to keep of the write's result. */
  toAnswer(result: Result): Uint8Array;
  /** Called in place of the write when it was answered before; throws what ends the call. */
  answeredBefore(stored: StoredAnswer): never;
  /** Called when another call under this name runs for too long; throws what ends the call. */
  stillRunning(): never;
}

/** How long an answer is kept. */
export const keptForHours = 24;
