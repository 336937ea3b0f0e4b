import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { evidenceOf, type FoundEvidence, strengthOf } from './evidence.ts';

/** Pieces of evidence of one insert. */
const insertedAtOnce = 5_000;

/** A scan whose pieces of evidence these are. */
export interface ScanKey {
  readonly tenant: Tenant;
  readonly collection: string;
  readonly operationId: string;
}

/** What a scan has found so far, and what becomes of it when it ends. */
@Injectable()
export class FoundPairs {
  constructor(private readonly database: Database) {}

  async add(transaction: EntityManager, scan: ScanKey, found: readonly FoundEvidence[]): Promise<void> {
    for (let start = 0; start < found.length; start += insertedAtOnce) {
      const some = found.slice(start, start + insertedAtOnce);
      await transaction.query(
        `insert into retrieval.duplicate_found (tenant_id, collection, operation_id, a, b, strength, evidence)
         select $1, $2, $3, * from unnest($4::text[], $5::text[], $6::double precision[], $7::jsonb[])`,
        [
          ...keyOf(scan),
          some.map(({ a }) => a),
          some.map(({ b }) => b),
          some.map(({ evidence }) => strengthOf(evidence)),
          some.map(({ evidence }) => JSON.stringify(evidence)),
        ],
      );
    }
  }

  async count(transaction: EntityManager, { tenant, operationId }: ScanKey): Promise<number> {
    const [{ count }] = await transaction.query<{ count: number }[]>(
      'select count(*)::int from retrieval.duplicate_found where tenant_id = $1 and operation_id = $2',
      [tenant.id, operationId],
    );
    return count;
  }

  /** Forgets what this scan has found, and what scans of the collection that have ended left behind. */
  async clear(transaction: EntityManager, scan: ScanKey): Promise<void> {
    await transaction.query(
      `delete from retrieval.duplicate_found f where tenant_id = $1 and collection = $2 and (operation_id = $3 or not exists (
         select from retrieval.operation o where o.tenant_id = $1 and o.id = f.operation_id and o.state in ('queued', 'running')))`,
      keyOf(scan),
    );
  }

  /** Items with equal title, body and pictures, each beside the oldest of them. */
  async sameContent({ tenant, collection }: ScanKey): Promise<FoundEvidence[]> {
    const rows = await this.database.transaction(tenant, (transaction) =>
      transaction.query<{ id: string; oldest: string }[]>(
        `with said as (
           select id, created_at, title, body, (select string_agg(sha256, ',' order by part) from retrieval.item_image g
             where g.tenant_id = $1 and g.collection = $2 and g.item_id = i.id) as pictures
           from retrieval.item i where tenant_id = $1 and collection = $2
         ), beside as (
           select id, first_value(id) over (partition by title, body, pictures order by created_at, id collate "C") as oldest
           from said where title <> '' or body <> '' or pictures is not null
         ) select id, oldest from beside where id <> oldest`,
        [tenant.id, collection],
      ),
    );
    return rows.map(({ id, oldest }) => evidenceOf({ id, part: 0 }, { id: oldest, part: 0 }, () => ({ of: 'content' })));
  }

  /**
   * Makes the pairs: what was found of items that were not written since `position` is open now, unless it was decided before.
   * Open pairs of such items that were not found again are gone.
   *
   * @returns the number of pairs that were found.
   */
  async decide(transaction: EntityManager, scan: ScanKey, position: number): Promise<number> {
    const [{ count }] = await transaction.query<{ count: number }[]>(
      `with pair as (
         select a, b, max(strength) as strength, jsonb_agg(evidence order by strength desc, evidence) as evidence
         from retrieval.duplicate_found where tenant_id = $1 and operation_id = $3 group by a, b
       ), aged as (
         select pair.*, (x.created_at, x.id collate "C") < (y.created_at, y.id collate "C") as is_a_older from pair
         join retrieval.item x on x.tenant_id = $1 and x.collection = $2 and x.id = a and x.position <= $4
         join retrieval.item y on y.tenant_id = $1 and y.collection = $2 and y.id = b and y.position <= $4
       ), written as (
       insert into retrieval.duplicate as present (tenant_id, collection, id, keeper, duplicate, strength, evidence, operation_id)
       select $1, $2, left(encode(sha256(convert_to(a || '/' || b, 'UTF8')), 'hex'), 32),
         case when is_a_older then a else b end, case when is_a_older then b else a end, strength, evidence, $3 from aged
       on conflict (tenant_id, collection, id) do update set
         keeper = case when present.state = 'open' then excluded.keeper else present.keeper end,
         duplicate = case when present.state = 'open' then excluded.duplicate else present.duplicate end,
         strength = excluded.strength, evidence = excluded.evidence, operation_id = excluded.operation_id, found_at = now()
       returning 1) select count(*)::int from written`,
      [...keyOf(scan), position],
    );
    await transaction.query(
      `delete from retrieval.duplicate d using retrieval.item x, retrieval.item y
       where d.tenant_id = $1 and d.collection = $2 and d.state = 'open' and d.operation_id <> $3
       and x.tenant_id = $1 and x.collection = $2 and x.id = d.keeper and x.position <= $4
       and y.tenant_id = $1 and y.collection = $2 and y.id = d.duplicate and y.position <= $4`,
      [...keyOf(scan), position],
    );
    await this.clear(transaction, scan);
    return count;
  }
}

const keyOf = ({ tenant, collection, operationId }: ScanKey) => [tenant.id, collection, operationId];
