import type { Database } from '@touchstone/persistence';
import { lockDeadLetters } from '../delivery/inbox.ts';
import { replayed } from '../outbox/stored-event.ts';
import { lockedRanges } from '../relay/lease.ts';

export interface DeadLetterSelection {
  /** Whose dead letters; also the consumer group. */
  readonly service: string;
  /** One tenant's only. */
  readonly tenant?: { readonly id: string };
  /** One key's only. Without it: all keys. */
  readonly key?: string;
}

export interface DeadLetter {
  readonly eventId: string;
  readonly topic: string;
  readonly key: string;
  readonly tenantId: string | null;
  readonly cause: string;
  /** 0 when it only follows another one of its key. */
  readonly attempts: number;
  readonly failedAt: Date;
}

const chosen = 'consumer = $1 and ($2::uuid is null or tenant_id = $2) and ($3::text is null or key = $3)';

/** The oldest dead letters of a service. */
export async function deadLetters(database: Database, { service, tenant, key, limit = 100 }: DeadLetterSelection & { readonly limit?: number }): Promise<DeadLetter[]> {
  return database.systemQuery<DeadLetter>(
    `select event_id as "eventId", topic, key, tenant_id as "tenantId", cause, attempts, failed_at as "failedAt"
     from ${service}.dead_letter where ${chosen} order by id limit $4`,
    [service, tenant?.id ?? null, key ?? null, limit],
  );
}

/**
 * Puts dead letters into the outbox, whole keys at a time, so that they are handled again, in order and before the later
 * events of their keys: those that came from it where they were, those that came from Kafka at its end, for this service
 * alone. Handlers that had their effect are not called again.
 *
 * @returns how many.
 */
export async function replayDeadLetters(database: Database, { service, tenant, key }: DeadLetterSelection): Promise<number> {
  return database.systemTransaction(async (transaction) => {
    const parameters = [service, tenant?.id ?? null, key ?? null];
    // Takes the leases: what a relay has of these keys in hand, it has read too early.
    await transaction.query(
      `update ${service}.relay_lease set owner = null, fencing = fencing + 1, expires_at = '-infinity'
       where range in (${lockedRanges(service, `range in (select ${service}.event_range(tenant_id, key) from ${service}.dead_letter where ${chosen})`)})`,
      parameters,
    );
    await transaction.query(lockDeadLetters(service));
    // What came from Kafka is there for all groups. When its relay died before it removed the row, the replay takes its place.
    await transaction.query(
      `delete from ${service}.outbox where event_id in (select event_id from ${service}.dead_letter where outbox_id = 0 and ${chosen})`,
      parameters,
    );
    const [{ count }] = await transaction.query(
      `with letter as (
         delete from ${service}.dead_letter where ${chosen} returning *
       ), returned as (
         insert into ${service}.outbox (id, topic, key, tenant_id, event_id, payload, headers) overriding system value
         select outbox_id, topic, key, tenant_id, event_id, payload, headers from letter where outbox_id > 0
         on conflict do nothing
       ), received as (
         insert into ${service}.outbox (topic, key, tenant_id, event_id, payload, headers)
         select topic, key, tenant_id, event_id, payload, headers || '{"${replayed}": "true"}' from letter where outbox_id = 0 order by id
         on conflict do nothing
       )
       select count(*)::integer from letter`,
      parameters,
    );
    return count;
  });
}
