import type { EntityManager } from 'typeorm';

/**
 * The right to decide about events that were read: the lease of a relay on ranges of keys, or the assignment of a topic's
 * partitions. Who holds it no longer may still apply events, because their inbox rows are unique, but notes no failure
 * and buries nothing.
 */
export interface Claim {
  /**
   * Each transaction that decides about the events calls it first. A lease does not change hands before that transaction ends.
   *
   * @param transaction of the role `<service>_system`.
   * @throws ClaimLost
   */
  hold(transaction: EntityManager): Promise<void>;

  /** Called after a reading: the claim had not changed hands when it was done. @throws ClaimLost */
  check(): Promise<void>;

  /** Set when the claim is rows of the same database: a reading of theirs that is part of another one takes the place of `check`. */
  readonly rows?: ClaimRows;
}

export interface ClaimRows {
  /** A row for each that is held; its parameters begin with `$first`. */
  held(first: number): { sql: string; parameters: unknown[] };

  /** @throws ClaimLost when fewer are held than were claimed. */
  demand(rows: number): void;
}

/** Somebody else holds the claim now. What was read under it must not be used. */
export class ClaimLost extends Error {
  override readonly name: string = 'ClaimLost';
}
