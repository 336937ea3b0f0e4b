import type { Clock } from '@touchstone/runtime/clock';
import { type Claim, ClaimLost } from '../delivery/claim.ts';
import type { Consumer } from '../delivery/consumer.ts';
import type { StoredEvent } from '../outbox/stored-event.ts';
import type { Batch, Subscription } from './kafka-client.ts';
import { Partition } from './partition.ts';
import type { Standing } from './silence.ts';

/** Partitions whose events are handled at the same time; a request to the API finds a connection, too. */
const concurrency = 3;

export interface AssignmentOptions {
  readonly consumer: Pick<Consumer, 'consume'>;
  readonly clock: Clock;
  readonly subscription: Pick<Subscription, 'seek' | 'pause' | 'resume' | 'commit'>;
  /** Whether the group has heard from this process lately: after a standstill it may have given the partitions away. */
  isAlive(): boolean;
}

/**
 * The partitions that one generation of a consumer group gave to this process. When the generation ends, what is in hand
 * is finished and not counted: no offset is committed, no failure noted.
 */
export class Assignment implements Claim {
  readonly #partitions = new Map<string, { readonly partition: Partition; readonly running: Promise<void> }>();
  readonly #ended = new AbortController();
  readonly #turns: (() => void)[] = [];
  #busy = 0;

  constructor(private readonly options: AssignmentOptions) {}

  /** Begins to handle partitions, each from an offset on. */
  open(places: readonly { topic: string; partition: number; start: number }[]): void {
    if (this.#ended.signal.aborted) return;
    const { clock, subscription } = this.options;
    for (const { topic, partition: number, start } of places) {
      const partition = new Partition({
        ...{ clock, start, claim: this, signal: this.#ended.signal },
        consumer: { consume: (...batch) => this.#inTurn(() => this.options.consumer.consume(...batch)) },
        commit: async (offset) => subscription.commit(topic, number, offset),
        pause: () => subscription.pause(topic, number),
        resume: () => subscription.resume(topic, number),
      });
      subscription.seek(topic, number, start);
      this.#partitions.set(`${topic}/${number}`, { partition, running: partition.run() });
    }
  }

  /** @returns false when the events were not taken: they are fetched again from where the partition stands. */
  add({ topic, partition: number, from, next }: Batch, events: readonly StoredEvent[]): boolean {
    const partition = this.#partitions.get(`${topic}/${number}`)?.partition;
    if (!partition || this.#ended.signal.aborted) return false;
    if (partition.add(events, from, next)) return true;
    this.options.subscription.seek(topic, number, partition.next);
    return false;
  }

  standing(topic: string, number: number): Omit<Standing, 'end'> | undefined {
    const partition = this.#partitions.get(`${topic}/${number}`)?.partition;
    return partition && { position: partition.position, activity: partition.activity };
  }

  async hold(): Promise<void> {
    if (this.#ended.signal.aborted || !this.options.isAlive()) throw new ClaimLost('The partitions belong to another generation of the group now.');
  }

  async check(): Promise<void> {
    await this.hold();
  }

  /** The generation ended. Resolves when what was in hand is finished. */
  async end(): Promise<void> {
    this.#ended.abort();
    await Promise.all([...this.#partitions.values()].map(({ running }) => running));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy >= concurrency) await new Promise<void>((resolve) => this.#turns.push(resolve));
    else this.#busy += 1;
    try {
      return await work();
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#busy -= 1;
    }
  }
}
