import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { itemQuotaExceeded } from './item.errors.ts';

/**
 * Adds items that are new to the count of their collection, whose lock the caller holds. Writers of a tenant that has a limit
 * pass here one after the other until they commit; those of others do not wait for each other.
 *
 * @param added JSON pointers of the new items in the request.
 * @throws Problem item-quota-exceeded
 */
export async function countAdded(transaction: EntityManager, tenant: Tenant, collection: string, added: readonly string[]): Promise<void> {
  if (added.length === 0) return;
  await changeCount(transaction, tenant, collection, added.length);
  const limit = tenant.limits?.items;
  if (limit === undefined) return;
  await transaction.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`items of ${tenant.id}`]);
  const [{ items }] = await transaction.query<{ items: string }[]>('select sum(items) as items from retrieval.collection where tenant_id = $1', [tenant.id]);
  const before = Number(items) - added.length;
  if (before + added.length > limit) throw itemQuotaExceeded(before, added.length, limit, added[Math.max(0, limit - before)]);
}

/** Takes items that are gone off the count of their collection, whose lock the caller holds. */
export async function countDeleted(transaction: EntityManager, tenant: Tenant, collection: string, deleted: number): Promise<void> {
  await changeCount(transaction, tenant, collection, -deleted);
}

async function changeCount(transaction: EntityManager, tenant: Tenant, collection: string, by: number): Promise<void> {
  await transaction.query('update retrieval.collection set items = items + $3 where tenant_id = $1 and name = $2', [tenant.id, collection, by]);
}
