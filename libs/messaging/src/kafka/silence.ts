/** Where a consumer stands in one partition. */
export interface Standing {
  /** Offset after the partition's last event, as the broker says. */
  readonly end: number;
  /** Offset of the first event that may not be done. */
  readonly position: number;
  /** Grows with each attempt at an event. */
  readonly activity: number;
}

/**
 * Finds a consumer that has fallen silent: events wait for it and it has attempted none for a while. One that fails again
 * and again is not silent, it says so in the log.
 */
export class Silence {
  readonly #seen = new Map<string, Standing & { readonly since: number }>();

  /** @param limitMs how long is too long. */
  constructor(private readonly limitMs: number) {}

  /** @param now epoch milliseconds. */
  observe(partition: string, standing: Standing, now: number): void {
    const seen = this.#seen.get(partition);
    if (standing.position >= standing.end) this.#seen.delete(partition);
    else if (!seen || seen.position !== standing.position || seen.activity !== standing.activity) this.#seen.set(partition, { ...standing, since: now });
  }

  /** Nothing is known any more: partitions were taken away, or the broker does not answer. */
  forget(): void {
    this.#seen.clear();
  }

  /** A partition whose events have waited for the limit, with how long they have. */
  longest(now: number): { partition: string; ms: number } | undefined {
    const silent = [...this.#seen].map(([partition, { since }]) => ({ partition, ms: now - since })).filter(({ ms }) => ms >= this.limitMs);
    return silent.toSorted((a, b) => b.ms - a.ms)[0];
  }
}
