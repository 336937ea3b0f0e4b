import { systemClock, type Clock } from '@touchstone/runtime/clock';
import { log } from '@touchstone/runtime/logging';
import { type Claim, ClaimLost } from '../delivery/claim.ts';
import type { StoredEvent } from '../outbox/stored-event.ts';

/** What became of events that a relay handed over. An event that is in neither is handed over again. */
export interface Publication {
  /** Those that are with their receivers for sure; they leave the outbox. */
  readonly taken: readonly StoredEvent[];
  /** Ordering keys that take no event before this time, in epoch milliseconds. */
  readonly waiting: ReadonlyMap<string, number>;
}

/** What a relay hands events to. */
export interface Publisher {
  /**
   * Delivers events, those of one ordering key in the given order. It may be given an event again that it has taken.
   *
   * @param claim held or checked in each transaction that decides about the events, where there is one.
   * @param signal aborts when the relay stops: what has begun is finished, nothing more is begun.
   * @throws ClaimLost, or what keeps it from taking any event now; the relay then tries again.
   */
  publish(events: readonly StoredEvent[], claim: Claim, signal: AbortSignal): Promise<Publication>;
}

/** What a relay does with outbox and leases; OutboxReader, or the store of a simulation. */
export interface OutboxStore {
  read(waitingKeys: readonly string[]): Promise<{ readonly events: StoredEvent[]; readonly lease: Claim }>;
  /** @param lease of the same store. @throws ClaimLost, and nothing was removed. */
  remove(events: readonly StoredEvent[], lease: Claim): Promise<void>;
  renew(): Promise<void>;
  release(): Promise<void>;
}

export interface RelayOptions {
  readonly clock?: Clock;
  /** Longest time in which a commit of another process goes unseen. Default 1,000. */
  readonly pollMs?: number;
  /** After this time another relay takes over from one that was killed, at its next poll. Default 3,500. */
  readonly leaseMs?: number;
}

/** Of what was not named. */
export const relayDefaults = { pollMs: 1_000, leaseMs: 3_500 };

/**
 * Publishes the events of one service's outbox in order. Events are spread over ranges by their ordering key; any
 * number of relays may run: each holds its share of the ranges, and a range is published by the one that holds its lease.
 *
 * It removes rows that were taken and keeps no cursor, so an event whose transaction commits late is not lost.
 */
export class Relay {
  readonly #store: OutboxStore;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #leaseMs: number;
  readonly #waiting = new Map<string, number>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #pause = new AbortController();
  #isFailing = false;

  constructor(store: OutboxStore, { clock = systemClock, pollMs = relayDefaults.pollMs, leaseMs = relayDefaults.leaseMs }: RelayOptions = {}) {
    this.#store = store;
    this.#clock = clock;
    this.#pollMs = pollMs;
    this.#leaseMs = leaseMs;
  }

  /** Begins to publish. Called once; without a database it waits for one. */
  start(publisher: Publisher): void {
    this.#running ??= this.#run(publisher);
  }

  /** Events were committed in this process. */
  wake(): void {
    this.#pause.abort();
  }

  /** Finishes what is in flight and gives its ranges to whoever comes next. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
    await this.#store.release().catch(() => undefined); // They expire by themselves.
  }

  /**
   * Hands one batch over and removes what was taken.
   *
   * @returns milliseconds until there may be more to do; 0 when there may be now.
   */
  async round(publisher: Publisher): Promise<number> {
    const now = this.#clock.now();
    for (const [key, until] of this.#waiting) if (until <= now) this.#waiting.delete(key);

    const { events, lease } = await this.#store.read([...this.#waiting.keys()]);
    if (events.length === 0) return Math.min(this.#pollMs, ...[...this.#waiting.values()].map((until) => until - now));

    const { taken, waiting } = await this.#whileRenewing(() => publisher.publish(events, lease, this.#stopping.signal));
    if (taken.length > 0) await this.#store.remove(taken, lease);
    for (const [key, until] of waiting) this.#waiting.set(key, until);
    return taken.length + waiting.size > 0 ? 0 : this.#pollMs;
  }

  async #run(publisher: Publisher): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#pause = new AbortController(); // Before the round: a commit during it means another round.
      const waitMs = await this.round(publisher).then(
        (ms) => this.#succeeded(ms),
        (error: unknown) => this.#failed(error),
      );
      if (waitMs > 0 && !this.#stopping.signal.aborted) await this.#clock.wait(waitMs, this.#pause.signal);
    }
  }

  #succeeded(waitMs: number): number {
    if (this.#isFailing) log.info('events are relayed again');
    this.#isFailing = false;
    return waitMs;
  }

  #failed(error: unknown): number {
    if (error instanceof ClaimLost) return 0;
    if (!this.#isFailing) log.error({ err: error }, 'events wait in the outbox: the relay fails and tries again');
    this.#isFailing = true;
    return this.#pollMs;
  }

  /** A batch may take longer than a lease. */
  async #whileRenewing<T>(work: () => Promise<T>): Promise<T> {
    const done = new AbortController();
    const renew = async () => {
      for (;;) {
        await this.#clock.wait(this.#leaseMs / 3, done.signal);
        if (done.signal.aborted) return;
        await this.#store.renew().catch(() => undefined); // The next use of the lease says what is wrong.
      }
    };
    const renewing = renew();
    try {
      return await work();
    } finally {
      done.abort();
      await renewing;
    }
  }
}
