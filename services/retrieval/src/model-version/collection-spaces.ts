import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { lockCollection, nextPosition } from '../collection/log-position.ts';
import type { Space } from '../collection/spaces.ts';

/** Writes a space as a change with a position of its own, so that every replica takes it over at that position. */
export async function changeSpace(transaction: EntityManager, tenant: Tenant, name: string, space: Space): Promise<void> {
  const spaces = await lockCollection(transaction, tenant, name);
  await nextPosition(transaction, tenant, name);
  const changed = spaces.map((one) => (one.name === space.name ? space : one));
  await transaction.query('update retrieval.collection set spaces = $3 where tenant_id = $1 and name = $2', [tenant.id, name, JSON.stringify(changed)]);
}
