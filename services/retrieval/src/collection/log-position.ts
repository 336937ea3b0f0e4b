import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { collectionNotFound } from './collection.errors.ts';

/** Locks the collection until the commit and takes its next position. @throws Problem collection-not-found */
export async function nextPosition(transaction: EntityManager, tenant: Tenant, name: string): Promise<number> {
  const [[row]] = await transaction.query<[{ position: string }[], number]>(
    'update retrieval.collection set position = position + 1 where tenant_id = $1 and name = $2 returning position',
    [tenant.id, name],
  );
  if (!row) throw collectionNotFound(name);
  return Number(row.position);
}

/** Locks the collection until the commit: nobody else writes its items meanwhile. @throws Problem collection-not-found */
export async function lockCollection(transaction: EntityManager, tenant: Tenant, name: string): Promise<void> {
  const rows = await transaction.query('select 1 from retrieval.collection where tenant_id = $1 and name = $2 for update', [tenant.id, name]);
  if (rows.length === 0) throw collectionNotFound(name);
}
