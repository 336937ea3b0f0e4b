import type { EntityManager } from 'typeorm';

/**
 * Leases are locked in this order everywhere: no two relays wait for each other.
 *
 * @param condition SQL over `range`, `owner`, `fencing`, `expires_at`.
 */
export const lockedRanges = (service: string, condition: string): string =>
  `select range from ${service}.relay_lease where ${condition} order by range for update`;

/** Another relay holds a range now, or a replay took it back. What was read under the lease must not be used. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** Proof that a relay held the ranges of some events when it read them. */
export class Lease {
  /**
   * @param owner the relay, a UUID.
   * @param fencings range to the fencing number under which it was held; the number grows with each change of hands.
   */
  constructor(
    private readonly service: string,
    private readonly owner: string,
    private readonly fencings: ReadonlyMap<number, string>,
  ) {}

  /**
   * Keeps the lease from changing hands until the transaction ends. Each transaction that acts on events read under the
   * lease calls it first.
   *
   * @param transaction of the role `<service>_system`.
   * @throws LeaseLost
   */
  async hold(transaction: EntityManager): Promise<void> {
    await this.#find(transaction, 'order by lease.range for share of lease');
  }

  /**
   * For transactions that only read: called last, it says that the lease had not changed hands when they read. It takes
   * no lock, so that the commit writes nothing.
   *
   * @throws LeaseLost
   */
  async check(transaction: EntityManager): Promise<void> {
    await this.#find(transaction, '');
  }

  async #find(transaction: EntityManager, locking: string): Promise<void> {
    const held: unknown[] = await transaction.query(
      `select 1 from ${this.service}.relay_lease lease
       join unnest($2::integer[], $3::bigint[]) as read (range, fencing) on read.range = lease.range and read.fencing = lease.fencing
       where owner = $1 ${locking}`,
      [this.owner, [...this.fencings.keys()], [...this.fencings.values()]],
    );
    if (held.length < this.fencings.size) throw new LeaseLost(`Another relay took over from ${this.owner}.`);
  }
}
