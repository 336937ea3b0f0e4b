import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import type { Space } from './spaces.ts';
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

/**
 * Locks the collection until the commit: nobody else writes its items meanwhile, or changes its spaces.
 *
 * @returns its spaces.
 * @throws Problem collection-not-found
 */
export async function lockCollection(transaction: EntityManager, tenant: Tenant, name: string): Promise<readonly Space[]> {
  const [row] = await transaction.query<{ spaces: Space[] }[]>('select spaces from retrieval.collection where tenant_id = $1 and name = $2 for update', [tenant.id, name]);
  if (!row) throw collectionNotFound(name);
  return row.spaces;
}
