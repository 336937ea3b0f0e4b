import type { Clock } from './index.ts';

/** Time that moves only when a test says so. */
export class ManualClock implements Clock {
  #now = Date.parse('2026-01-01T00:00:00Z');
  readonly #waiters = new Set<{ until: number; resolve(): void }>();

  readonly now = () => this.#now;

  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiter = { until: this.#now + ms, resolve: () => (this.#waiters.delete(waiter), resolve()) };
      if (signal.aborted) return resolve();
      this.#waiters.add(waiter);
      signal.addEventListener('abort', waiter.resolve, { once: true });
    });
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const waiter of [...this.#waiters]) if (waiter.until <= this.#now) waiter.resolve();
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiters.size;
  }
}
