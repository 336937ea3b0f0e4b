import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { evidenceOf, type FoundEvidence, strengthOf } from './evidence.ts';

/** Pieces of evidence of one insert. */
const insertedAtOnce = 5_000;
const deletedAtOnce = 20_000;

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

  /** @param step the checkpoint that they belong to. */
  async add(transaction: EntityManager, scan: ScanKey, step: number, found: readonly FoundEvidence[]): Promise<void> {
    for (let start = 0; start < found.length; start += insertedAtOnce) {
      const some = found.slice(start, start + insertedAtOnce);
      await transaction.query(
        `insert into retrieval.duplicate_found (tenant_id, collection, operation_id, step, a, b, strength, evidence)
         select $1, $2, $3, $4, * from unnest($5::text[], $6::text[], $7::double precision[], $8::jsonb[])`,
        [
          ...keyOf(scan),
          step,
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

  /** Forgets what was stored for a checkpoint that was never reached. */
  async forgetFrom(transaction: EntityManager, { tenant, operationId }: ScanKey, step: number): Promise<void> {
    await transaction.query('delete from retrieval.duplicate_found where tenant_id = $1 and operation_id = $2 and step >= $3', [tenant.id, operationId, step]);
  }

  /** Forgets what this scan has found, and what scans of the collection that have ended left behind. */
  async clear(transaction: EntityManager, scan: ScanKey): Promise<void> {
    await deletePages(transaction, 'retrieval.duplicate_found', keyOf(scan),
      `select f.ctid from retrieval.duplicate_found f where tenant_id = $1 and collection = $2 and (operation_id = $3 or not exists (
         select from retrieval.operation o where o.tenant_id = $1 and o.id = f.operation_id and o.state in ('queued', 'running')))`);
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
   * Open pairs of such items that were not found again are gone. In pages, since no statement may take long.
   *
   * @param page pieces whose pairs one statement makes: each is a row with four indexes and two references.
   * @returns the number of pairs that were found.
   */
  async decide(transaction: EntityManager, scan: ScanKey, position: number, page: number): Promise<number> {
    let count = 0;
    for (let after: Pair | undefined = { a: '', b: '' }; after; ) {
      const end: Pair | undefined = await this.endOfPage(transaction, scan, after, page);
      count += await this.decidePage(transaction, scan, position, after, end);
      after = end;
    }
    await deletePages(transaction, 'retrieval.duplicate', [...keyOf(scan), position],
      `select d.ctid from retrieval.duplicate d
       join retrieval.item x on x.tenant_id = $1 and x.collection = $2 and x.id = d.keeper and x.position <= $4
       join retrieval.item y on y.tenant_id = $1 and y.collection = $2 and y.id = d.duplicate and y.position <= $4
       where d.tenant_id = $1 and d.collection = $2 and d.state = 'open' and d.operation_id <> $3`);
    await this.clear(transaction, scan);
    return count;
  }

  /** The last pair of the page; undefined for that of the last page. */
  private async endOfPage(transaction: EntityManager, { tenant, operationId }: ScanKey, { a, b }: Pair, page: number): Promise<Pair | undefined> {
    const [end] = await transaction.query<Pair[]>(
      `select a, b from retrieval.duplicate_found where tenant_id = $1 and operation_id = $2 and (a, b) > ($3, $4)
       order by a, b offset $5 limit 1`,
      [tenant.id, operationId, a, b, page],
    );
    return end;
  }

  private async decidePage(transaction: EntityManager, scan: ScanKey, position: number, after: Pair, end: Pair | undefined): Promise<number> {
    const [{ count }] = await transaction.query<{ count: number }[]>(
      `with pair as (
         select a, b, max(strength) as strength, jsonb_agg(evidence order by strength desc, evidence) as evidence
         from retrieval.duplicate_found
         where tenant_id = $1 and operation_id = $3 and (a, b) > ($5, $6) and ($7::text is null or (a, b) <= ($7, $8)) group by a, b
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
      [...keyOf(scan), position, after.a, after.b, end?.a ?? null, end?.b ?? null],
    );
    return count;
  }
}

/** Two items by the order of their ids. */
interface Pair {
  readonly a: string;
  readonly b: string;
}

/** @param rows their addresses, by a statement that a page ends. */
async function deletePages(transaction: EntityManager, table: string, parameters: readonly unknown[], rows: string): Promise<void> {
  for (let deleted = deletedAtOnce; deleted === deletedAtOnce; ) {
    [, deleted] = await transaction.query<[unknown, number]>(`delete from ${table} where ctid = any(array(${rows} limit ${deletedAtOnce}))`, [...parameters]);
  }
}

const keyOf = ({ tenant, collection, operationId }: ScanKey) => [tenant.id, collection, operationId];
