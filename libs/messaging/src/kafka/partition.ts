import type { Clock } from '@touchstone/runtime/clock';
import { log } from '@touchstone/runtime/logging';
import { type Claim, ClaimLost } from '../delivery/claim.ts';
import type { Consumer } from '../delivery/consumer.ts';
import { orderingKey, type StoredEvent } from '../outbox/stored-event.ts';

/** Events handled at once, as many as a relay hands over. */
const batchSize = 100;
/** With so many events or bytes at hand no more are fetched. */
const full = { events: 1_000, bytes: 8_000_000 };
/** Shortest wait for what changes without a word, such as the end of a replay. */
const shortestWaitMs = 50;
const failureWaitMs = 1_000;

export interface PartitionOptions {
  readonly consumer: Pick<Consumer, 'consume'>;
  readonly claim: Claim;
  /** Aborts when the partition is taken away. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Offset of the first event that may not be done. */
  readonly start: number;
  /** Saves the offset of the first event that may not be done. */
  commit(offset: number): Promise<void>;
  /** Fetch no more for now; what is under way may still come. */
  pause(): void;
  resume(): void;
}

/**
 * The events of a partition that were fetched and are not done, as the outbox is to a relay. While the events of a key
 * wait those of others go on, so what is done lies beyond the committed offset, too.
 */
export class Partition {
  readonly #options: PartitionOptions;
  readonly #waiting = new Map<string, number>();
  #events: StoredEvent[] = [];
  #bytes = 0;
  #next: number;
  #gapAt: number | undefined;
  #committed: number;
  #wake = new AbortController();
  #isFailing = false;
  #isPaused = false;
  /** Grows with each attempt at something, successful or not. */
  activity = 0;

  constructor(options: PartitionOptions) {
    this.#options = options;
    this.#next = options.start;
    this.#committed = options.start;
  }

  /** Offset of the first event that may not be done. */
  get position(): number {
    return this.#events.length === 0 ? this.#next : Number(this.#events[0].id);
  }

  /** Offset from which to fetch. */
  get next(): number {
    return this.#next;
  }

  /**
   * Takes what was fetched from offset `from` on, up to `next`.
   *
   * @returns false when it does not continue what came before: then fetch again from `next` of this partition. A gap that
   * is still there afterwards is one of the topic's: expired events, or marks of transactions.
   */
  add(events: readonly StoredEvent[], from: number, next: number): boolean {
    if (from !== this.#next && (from < this.#next || from !== this.#gapAt)) {
      this.#gapAt = from;
      return false;
    }
    if (from > this.#next) log.warn({ from: this.#next, to: from }, 'a partition has no events at these offsets');
    this.#events.push(...events);
    this.#bytes += sizeOf(events);
    this.#next = next;
    this.#regulate();
    this.#wake.abort();
    return true;
  }

  /** Handles what comes until the partition is taken away. */
  async run(): Promise<void> {
    const { clock, signal } = this.#options;
    const stop = () => this.#wake.abort();
    signal.addEventListener('abort', stop);
    while (!signal.aborted) {
      this.#wake = new AbortController(); // Before the round: what comes during it means another round.
      const waitMs = await this.round().catch((error: unknown) => this.#failed(error));
      if (waitMs > 0 && !signal.aborted) await clock.wait(waitMs, this.#wake.signal);
    }
    signal.removeEventListener('abort', stop);
  }

  /**
   * Handles one batch and commits how far all is done.
   *
   * @returns milliseconds until there may be more to do; 0 when there may be now, Infinity when more must come first.
   */
  async round(): Promise<number> {
    const { consumer, claim, signal, clock } = this.#options;
    const now = clock.now();
    for (const [key, until] of this.#waiting) if (until <= now) this.#waiting.delete(key);

    const batch = this.#events.filter((event) => !this.#waiting.has(orderingKey(event))).slice(0, batchSize);
    if (batch.length === 0) {
      if (this.#events.length > 0) this.activity += 1; // It waits for a time that is known.
      return Math.max(shortestWaitMs, Math.min(longestWaitMs, ...[...this.#waiting.values()].map((until) => until - now)));
    }

    const { taken, waiting } = await consumer.consume(batch, claim, signal).finally(() => (this.activity += 1));
    const gone = new Set(taken);
    this.#events = this.#events.filter((event) => !gone.has(event));
    this.#bytes = sizeOf(this.#events);
    this.#regulate();
    for (const [key, until] of waiting) this.#waiting.set(key, Math.max(until, now + shortestWaitMs));
    await this.#commit();
    this.#isFailing = false;
    return taken.length + waiting.size > 0 ? 0 : shortestWaitMs;
  }

  #regulate(): void {
    const filled = Math.max(this.#events.length / full.events, this.#bytes / full.bytes);
    if (!this.#isPaused && filled >= 1) this.#options.pause();
    if (this.#isPaused && filled <= 0.5) this.#options.resume();
    this.#isPaused = filled >= 1 || (this.#isPaused && filled > 0.5);
  }

  async #commit(): Promise<void> {
    const { position } = this;
    if (position === this.#committed || this.#options.signal.aborted) return;
    await this.#options.commit(position).then(
      () => (this.#committed = position),
      (error: unknown) => log.debug({ err: error, position }, 'an offset was not committed; a later one will be'),
    );
  }

  #failed(error: unknown): number {
    if (error instanceof ClaimLost) return failureWaitMs;
    if (!this.#isFailing) log.error({ err: error }, 'events wait in their partition: their consumer fails and tries again');
    this.#isFailing = true;
    return failureWaitMs;
  }
}

/** For a timer; nothing is missed by waking. */
const longestWaitMs = 10_000;

const sizeOf = (events: readonly StoredEvent[]): number => events.reduce((sum, { payload }) => sum + payload.length, 0);
