import { concatenate, rowsOf, sizeOf, type RawTensors } from './raw-tensor.ts';

export interface BatcherOptions {
  /** Rows of one run. */
  maxBatchSize: number;
  /** Elements of the first input in one run, unless a single request has more. */
  maxBatchElements: number;
  /** Sizes at which a run starts at once, beside the largest. */
  preferredBatchSizes: readonly number[];
  /** How long the oldest request waits for company while an instance is idle. */
  maxQueueDelayMs: number;
  /** Requests that may wait. */
  maxQueueSize: number;
  /** Runs at the same time. */
  instances: number;
}

/** More requests wait than the model's configuration allows. */
export class QueueFull extends Error {}

interface Waiting {
  inputs: RawTensors;
  rows: number;
  elements: number;
  /** Requests with an equal key may be joined. */
  key: string;
  since: number;
  resolve(outputs: RawTensors): void;
  reject(error: unknown): void;
}

/**
 * Joins requests that wait at the same time into one run, as Triton's dynamic batcher does: only equal shapes beyond
 * the first dimension are joined, first come first served, and a full or preferred batch does not wait.
 */
export class Batcher {
  private readonly queue: Waiting[] = [];
  private running = 0;
  private timer: NodeJS.Timeout | undefined;
  private drained: (() => void) | undefined;

  constructor(
    private readonly options: BatcherOptions,
    private readonly run: (inputs: RawTensors) => Promise<RawTensors>,
  ) {}

  /**
   * @throws QueueFull at once when too many wait; the signal's reason when it aborts before the run starts.
   */
  submit(inputs: RawTensors, signal?: AbortSignal): Promise<RawTensors> {
    return new Promise((resolve, reject) => {
      if (this.queue.length >= this.options.maxQueueSize) {
        return reject(new QueueFull(`${this.queue.length} requests wait already`));
      }
      const tensors = Object.entries(inputs);
      const key = tensors.map(([name, { shape }]) => `${name}:${shape.slice(1)}`).sort().join(' ');
      const { shape } = tensors[0][1];
      const waiting: Waiting = { inputs, rows: shape[0], elements: sizeOf(shape), key, since: performance.now(), resolve, reject };
      this.queue.push(waiting);
      signal?.addEventListener('abort', () => this.drop(waiting, signal.reason), { once: true });
      this.next();
    });
  }

  /** Runs what waits, and waits for no company any more. Resolves when all of it is done. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.drained = resolve;
      this.next();
    });
  }

  private drop(waiting: Waiting, reason: unknown): void {
    const position = this.queue.indexOf(waiting);
    if (position < 0) return;
    this.queue.splice(position, 1);
    waiting.reject(reason);
  }

  private next(): void {
    clearTimeout(this.timer);
    while (this.running < this.options.instances && this.queue.length > 0) {
      const batch = this.batchOfOldest();
      const waitMs = this.drained || this.isWorthStarting(batch) ? 0 : this.options.maxQueueDelayMs - (performance.now() - batch[0].since);
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.next(), waitMs);
        return;
      }
      for (const waiting of batch) this.queue.splice(this.queue.indexOf(waiting), 1);
      void this.start(batch);
    }
    if (this.running === 0 && this.queue.length === 0) this.drained?.();
  }

  private batchOfOldest(): Waiting[] {
    const [oldest] = this.queue;
    const batch: Waiting[] = [];
    let rows = 0;
    let elements = 0;
    for (const waiting of this.queue) {
      if (waiting.key !== oldest.key) continue;
      rows += waiting.rows;
      elements += waiting.elements;
      const isTooMuch = rows > this.options.maxBatchSize || elements > this.options.maxBatchElements;
      if (batch.length > 0 && isTooMuch) break;
      batch.push(waiting);
    }
    return batch;
  }

  private isWorthStarting(batch: readonly Waiting[]): boolean {
    const rows = batch.reduce((sum, waiting) => sum + waiting.rows, 0);
    const elements = batch.reduce((sum, waiting) => sum + waiting.elements, 0);
    const isFull = rows >= this.options.maxBatchSize || elements >= this.options.maxBatchElements;
    return isFull || this.options.preferredBatchSizes.includes(rows);
  }

  private async start(batch: readonly Waiting[]): Promise<void> {
    this.running++;
    try {
      const names = Object.keys(batch[0].inputs);
      const joined = names.map((name) => [name, concatenate(batch.map(({ inputs }) => inputs[name]))] as const);
      const results = await this.run(Object.fromEntries(joined));
      if (batch.length === 1) return batch[0].resolve(results);

      const outputs = Object.entries(results);
      let from = 0;
      for (const { rows, resolve } of batch) {
        const start = from;
        resolve(Object.fromEntries(outputs.map(([name, tensor]) => [name, rowsOf(tensor, start, rows)])));
        from += rows;
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.running--;
      this.next();
    }
  }
}
