import type { Database } from '@touchstone/persistence';
import { lockedRanges } from '../relay/lease.ts';

export interface ReplayOptions {
  /** Whose dead letters; also the consumer group. */
  readonly service: string;
  /** One tenant's only. */
  readonly tenant?: { readonly id: string };
  /** One key's only. Without it: all keys. */
  readonly key?: string;
}

/**
 * Puts dead letters back where they were in the outbox, whole keys at a time, so that they are handled again, in order
 * and before the later events of their keys. Handlers that had their effect are not called again.
 *
 * @returns how many.
 */
export async function replayDeadLetters(database: Database, { service, tenant, key }: ReplayOptions): Promise<number> {
  return database.systemTransaction(async (transaction) => {
    const chosen = 'consumer = $1 and ($2::uuid is null or tenant_id = $2) and ($3::text is null or key = $3)';
    const parameters = [service, tenant?.id ?? null, key ?? null];
    // Takes the leases: what a relay has of these keys in hand, it has read too early.
    await transaction.query(
      `update ${service}.relay_lease set owner = null, fencing = fencing + 1, expires_at = '-infinity'
       where range in (${lockedRanges(service, `range in (select ${service}.event_range(tenant_id, key) from ${service}.dead_letter where ${chosen})`)})`,
      parameters,
    );
    const [{ count }] = await transaction.query(
      `with letter as (
         delete from ${service}.dead_letter where ${chosen} returning *
       ), replayed as (
         insert into ${service}.outbox (id, topic, key, tenant_id, event_id, payload, headers) overriding system value
         select outbox_id, topic, key, tenant_id, event_id, payload, headers from letter
         on conflict do nothing
       )
       select count(*)::integer from letter`,
      parameters,
    );
    return count;
  });
}
