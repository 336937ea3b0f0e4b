import { Injectable } from '@nestjs/common';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { nextPosition } from '../collection/log-position.ts';
import { type DuplicatePair, Keepers } from './keepers.ts';

/** Items of one write to the log. */
const chunk = 500;
/** Pairs that are in memory at once. */
const fetchedPairs = 10_000;

/** An item that is written or deleted, and hashes of what it will say. */
export interface WrittenContent {
  readonly id: string;
  /** In no order; absent when the item is deleted. */
  readonly contentHashes?: readonly string[];
}

/**
 * Brings what items are duplicates of in line with the pairs. An item's keeper is a column of its row that changes with a
 * position, so it reaches every index through the log. Callers hold the lock of the collection.
 */
@Injectable()
export class Folding {
  /**
   * Decides the keepers anew, of all items or of those that are linked with some by pairs.
   *
   * @returns how many items are duplicates now, among those that were decided.
   */
  async refold(transaction: EntityManager, tenant: Tenant, collection: string, around?: readonly string[]): Promise<number> {
    const among = around ? await linked(transaction, tenant, collection, around) : null;
    const decided = await decidedKeepers(transaction, tenant, collection, among);
    const items = await transaction.query<{ id: string; keeper: string | null }[]>(
      `select id, keeper from retrieval.item where tenant_id = $1 and collection = $2
       and case when $3::text[] is not null then id = any($3) else keeper is not null or id = any($4) end`,
      [tenant.id, collection, among, [...decided.keys()]],
    );
    const changed = items.filter(({ id, keeper }) => keeper !== (decided.get(id) ?? null)).map(({ id }) => id);
    for (let start = 0; start < changed.length; start += chunk) {
      const ids = changed.slice(start, start + chunk);
      const position = await nextPosition(transaction, tenant, collection);
      await transaction.query(
        `update retrieval.item set keeper = now.keeper, position = $3 from unnest($4::text[], $5::text[]) as now (id, keeper)
         where tenant_id = $1 and collection = $2 and item.id = now.id`,
        [tenant.id, collection, position, ids, ids.map((id) => decided.get(id) ?? null)],
      );
    }
    return decided.size;
  }

  /**
   * Forgets the pairs of items whose content is about to change or to go, dismissed and merged ones too: they said something
   * about other content. Costs one look-up for items without pairs.
   *
   * @returns whether pairs were forgotten: positions were taken for it, so the caller's write takes another one after them.
   */
  async forget(transaction: EntityManager, tenant: Tenant, collection: string, written: readonly WrittenContent[]): Promise<boolean> {
    const pairs = await transaction.query<{ keeper: string; duplicate: string }[]>(
      'select keeper, duplicate from retrieval.duplicate where tenant_id = $1 and collection = $2 and (keeper = any($3) or duplicate = any($3))',
      [tenant.id, collection, written.map(({ id }) => id)],
    );
    if (pairs.length === 0) return false;
    const paired = new Set(pairs.flatMap(({ keeper, duplicate }) => [keeper, duplicate]));
    const before = await contentHashes(transaction, tenant, collection, written.map(({ id }) => id).filter((id) => paired.has(id)));
    const changed = written.filter(({ id, contentHashes }) => paired.has(id) && setOf(contentHashes ?? []) !== before.get(id)).map(({ id }) => id);
    if (changed.length === 0) return false;
    const others = pairs.filter(({ keeper, duplicate }) => changed.includes(keeper) || changed.includes(duplicate)).flatMap(({ keeper, duplicate }) => [keeper, duplicate]);
    await transaction.query('delete from retrieval.duplicate where tenant_id = $1 and collection = $2 and (keeper = any($3) or duplicate = any($3))', [tenant.id, collection, changed]);
    await this.refold(transaction, tenant, collection, [...new Set(others)]);
    return true;
  }
}

/** The keepers of all items, or of some that no pair links with others; pairs are read in pages, since there may be many. */
async function decidedKeepers(transaction: EntityManager, tenant: Tenant, collection: string, among: readonly string[] | null): Promise<ReadonlyMap<string, string>> {
  const wanted = `d.tenant_id = $1 and d.collection = $2 and ($3::text[] is null or d.keeper = any($3))`;
  const parameters = [tenant.id, collection, among];
  const keepers = new Keepers(await transaction.query<DuplicatePair[]>(`select keeper, duplicate from retrieval.duplicate d where ${wanted} and state = 'merged'`, parameters));
  // Of pairs that this very transaction wrote there are no statistics, and each would look through all items.
  if (!among) await transaction.query('set local enable_nestloop = off');
  await transaction.query(
    `declare folded no scroll cursor for
     select d.keeper, d.duplicate, (k.created_at, k.id collate "C") < (i.created_at, i.id collate "C") as is_older from retrieval.duplicate d
     join retrieval.item k on k.tenant_id = d.tenant_id and k.collection = d.collection and k.id = d.keeper
     join retrieval.item i on i.tenant_id = d.tenant_id and i.collection = d.collection and i.id = d.duplicate
     where ${wanted} and d.state = 'open'
     order by i.created_at, i.id collate "C", d.strength desc, k.created_at, k.id collate "C"`,
    parameters,
  );
  for (let page: (DuplicatePair & { is_older: boolean })[]; ; ) {
    page = await transaction.query(`fetch ${fetchedPairs} from folded`);
    for (const { is_older, ...pair } of page) keepers.offer(pair, is_older);
    if (page.length < fetchedPairs) break;
  }
  await transaction.query('close folded');
  if (!among) await transaction.query('set local enable_nestloop to default');
  return keepers.keeperOf;
}

/** The items and all that pairs lead to from them. */
async function linked(transaction: EntityManager, tenant: Tenant, collection: string, from: readonly string[]): Promise<string[]> {
  const rows = await transaction.query<{ id: string }[]>(
    `with recursive reached (id) as (
       select unnest($3::text[])
       union
       select case when d.keeper = r.id then d.duplicate else d.keeper end from reached r
       join retrieval.duplicate d on d.tenant_id = $1 and d.collection = $2 and d.state <> 'dismissed' and (d.keeper = r.id or d.duplicate = r.id)
     ) select id from reached`,
    [tenant.id, collection, from],
  );
  return rows.map(({ id }) => id);
}

/** What items say: hashes of the content of their vectors and of their pictures, as `setOf` has them. */
async function contentHashes(transaction: EntityManager, tenant: Tenant, collection: string, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await transaction.query<{ item_id: string; hash: string }[]>(
    `select item_id, encode(content_hash, 'hex') as hash from retrieval.item_vector where tenant_id = $1 and collection = $2 and item_id = any($3)
     union select item_id, sha256 from retrieval.item_image where tenant_id = $1 and collection = $2 and item_id = any($3)`,
    [tenant.id, collection, ids],
  );
  return new Map([...Map.groupBy(rows, ({ item_id }) => item_id)].map(([id, group]) => [id, setOf(group.map(({ hash }) => hash))]));
}

const setOf = (hashes: readonly string[]) => [...new Set(hashes)].sort().join();
