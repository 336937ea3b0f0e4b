import type { Database } from '@touchstone/persistence';
import type { EntityManager } from 'typeorm';
import { type Claim, ClaimLost, type ClaimRows } from '../delivery/claim.ts';

/**
 * Leases are locked in this order everywhere: no two relays wait for each other.
 *
 * @param condition SQL over `range`, `owner`, `fencing`, `expires_at`.
 */
export const lockedRanges = (service: string, condition: string): string =>
  `select range from ${service}.relay_lease where ${condition} order by range for update`;

/** Another relay holds a range now, or a replay took it back. What was read under the lease must not be used. */
export class LeaseLost extends ClaimLost {
  override readonly name = 'LeaseLost';
}

/** Proof that a relay held the ranges of some events when it read them. */
export class Lease implements Claim, ClaimRows {
  readonly rows = this;

  /**
   * @param database asked by `check`.
   * @param owner the relay, a UUID.
   * @param fencings range to the fencing number under which it was held; the number grows with each change of hands.
   */
  constructor(
    private readonly database: Pick<Database, 'systemQuery'>,
    private readonly service: string,
    private readonly owner: string,
    private readonly fencings: ReadonlyMap<number, string>,
  ) {}

  async hold(transaction: EntityManager): Promise<void> {
    const { sql, parameters } = this.held();
    this.demand((await transaction.query(`${sql} order by lease.range for share of lease`, parameters)).length);
  }

  /** Takes no lock, so that nothing is written. */
  async check(): Promise<void> {
    const { sql, parameters } = this.held();
    this.demand((await this.database.systemQuery(sql, parameters)).length);
  }

  /** A row for each range that is still held. */
  held(first = 1): { sql: string; parameters: unknown[] } {
    return {
      sql: `select 1 from ${this.service}.relay_lease lease
            join unnest($${first + 1}::integer[], $${first + 2}::bigint[]) as read (range, fencing) on read.range = lease.range and read.fencing = lease.fencing
            where owner = $${first}`,
      parameters: [this.owner, [...this.fencings.keys()], [...this.fencings.values()]],
    };
  }

  /** @throws LeaseLost when fewer ranges are held than were read. */
  demand(ranges: number): void {
    if (ranges < this.fencings.size) throw new LeaseLost(`Another relay took over from ${this.owner}.`);
  }
}
