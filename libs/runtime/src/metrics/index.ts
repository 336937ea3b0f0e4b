import { setTimeout as delay } from 'node:timers/promises';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Histogram };

/** The figures of this process, as `/metrics` shows them. Labels name kinds of things, never a tenant or an id. */
export const registry = new Registry();

/** Seconds; from an answer out of memory to one that somebody gave up waiting for. */
export const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Shorter than scrapers wait. */
const patienceMs = 3_000;

/** Adds those of the process itself: CPU, memory, event loop, garbage collection. Once. */
export function observeProcess(): void {
  if (!registry.getSingleMetric('process_cpu_seconds_total')) collectDefaultMetrics({ register: registry });
}

export type Labels = Readonly<Record<string, string>>;
type Read = (set: (labels: Labels, value: number) => void) => void | Promise<void>;

/** A gauge that is read when somebody asks. Several parts of a process may have values in it. */
export class ObservedGauge {
  readonly #reads = new Set<Read>();

  constructor(options: { name: string; help: string; labelNames?: string[] }) {
    const reads = this.#reads;
    new Gauge({
      ...options,
      registers: [registry],
      async collect() {
        this.reset();
        const set = (labels: Labels, value: number) => this.set(labels, value);
        // A part that cannot be read, or not soon, has no value now; its health says why.
        const enough = new AbortController();
        const patience = delay(patienceMs, undefined, { signal: enough.signal }).catch(() => undefined);
        await Promise.allSettled([...reads].map(async (read) => Promise.race([read(set), patience])));
        enough.abort();
      },
    });
  }

  /** @returns how to end it. */
  observe(read: Read): () => void {
    this.#reads.add(read);
    return () => void this.#reads.delete(read);
  }
}

/** Runs work and says how long it took, in seconds, and what came of it. */
export async function timed<T>(work: () => Promise<T>, observe: (seconds: number, error?: unknown) => void): Promise<T> {
  const startedAt = performance.now();
  try {
    const result = await work();
    observe((performance.now() - startedAt) / 1_000);
    return result;
  } catch (error) {
    observe((performance.now() - startedAt) / 1_000, error);
    throw error;
  }
}
