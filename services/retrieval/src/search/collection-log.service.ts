import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import type { Space } from '../collection/collection.entity.ts';
import { indexKey } from '../collection/versions.ts';
import { kindsOf } from '../index/kind-set.ts';
import type { IndexedItem } from '../index/vector-index.ts';

/** Rows of one read; a write's items are at most 100 and never come in two reads. */
const pageSize = 1000;

/** What happened to an item: it is now this, or it is gone. */
export type Change = ({ readonly item: IndexedItem } | { readonly deleted: string }) & { readonly position: number };

/** The log after a position, whole writes only, oldest first. */
export interface LogPage {
  readonly changes: readonly Change[];
  /** Of the last change; on the last page that of the collection, which a change of its spaces alone moves too. */
  readonly position: number;
  /** Of the collection when the page was read. */
  readonly latest: number;
  readonly isLast: boolean;
  /** As they were when the page was read. */
  readonly spaces: readonly Space[];
}

export interface DirectoryEntry {
  readonly tenant: Tenant;
  readonly name: string;
  readonly spaces: readonly Space[];
  readonly position: number;
}

interface LogRow {
  id: string;
  position: string;
  is_deleted: boolean;
  attributes: Record<string, unknown> | null;
  category: string | null;
  author: string | null;
  created_at: Date | null;
  keeper: string | null;
  space: string | null;
  model_version: string | null;
  kinds: number | null;
  part: number | null;
  vector: Buffer | null;
  /** In the row that is about the collection itself, the last one. */
  spaces: Space[] | null;
}

/** The item rows of a collection, read as the log from which its index is made. */
@Injectable()
export class CollectionLog {
  constructor(private readonly database: Database) {}

  /** All collections of all tenants: what there is to index, and nothing of what is in it. */
  async directory(): Promise<DirectoryEntry[]> {
    const rows = await this.database.systemTransaction((transaction) =>
      transaction.query<{ tenant_id: string; name: string; spaces: Space[]; position: string }[]>(
        'select tenant_id, name, spaces, position from retrieval.collection',
      ),
    );
    return rows.map(({ tenant_id, name, spaces, position }) => ({ tenant: { id: tenant_id }, name, spaces, position: Number(position) }));
  }

  /** One collection of a tenant, if it exists. */
  async find(tenant: Tenant, name: string): Promise<DirectoryEntry | undefined> {
    const [row] = await this.database.systemTransaction(
      (transaction) =>
        transaction.query<{ spaces: Space[]; position: string }[]>(
          'select spaces, position from retrieval.collection where tenant_id = $1 and name = $2',
          [tenant.id, name],
        ),
      { tenant },
    );
    return row && { tenant, name, spaces: row.spaces, position: Number(row.position) };
  }

  /** Vectors of a collection, of all its spaces and versions; `most` when there are more. */
  async countVectors(tenant: Tenant, name: string, most: number): Promise<number> {
    const [{ count }] = await this.database.systemTransaction(
      (transaction) =>
        transaction.query<{ count: number }[]>('select count(*)::int as count from (select from retrieval.item_vector where tenant_id = $1 and collection = $2 limit $3) as counted', [tenant.id, name, most]),
      { tenant },
    );
    return count;
  }

  /**
   * Runs `work` while no other replica does so for this collection: the lock ends with the transaction, which is there for reading.
   *
   * @returns undefined when another one is at it.
   */
  async alone<Result>(tenant: Tenant, name: string, work: (transaction: EntityManager) => Promise<Result>): Promise<Result | undefined> {
    return this.database.systemTransaction(
      async (transaction) => {
        const [{ mine }] = await transaction.query<{ mine: boolean }[]>('select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as mine', [`index of ${tenant.id}/${name}`]);
        return mine ? work(transaction) : undefined;
      },
      { tenant },
    );
  }

  /**
   * One statement, so that items, tombstones, vectors and the collection's spaces are of one moment. The vectors name their
   * version as the index does.
   *
   * @returns undefined when the collection is gone.
   */
  async read(tenant: Tenant, name: string, after: number, open?: EntityManager): Promise<LogPage | undefined> {
    const ask = (transaction: EntityManager) => transaction.query<LogRow[]>(pageStatement, [tenant.id, name, after]);
    const rows = await (open ? ask(open) : this.database.systemTransaction(ask, { tenant }));
    const collection = rows.pop();
    if (!collection) return undefined;
    const isLast = new Set(rows.map(({ id }) => id)).size < pageSize;
    const latest = Number(collection.position);
    return { changes: changesOf(rows), position: isLast ? latest : Number(rows.at(-1)!.position), latest, isLast, spaces: collection.spaces! };
  }
}

/**
 * The last row is about the collection. `log` has the index; the collection's name is compared all the same, since two names may have one hash. What PostgreSQL
 * guesses of a table that nobody has analysed must not matter: each half ends at its page, and vectors are looked up for each
 * item (`offset 0` keeps that from becoming a join, which read all vectors of the collection for each item).
 */
export const pageStatement = `
  with page as (
    (select id, position, false as is_deleted, attributes, category, author, created_at, keeper from retrieval.item
     where log = retrieval.log_of($1, $2) and collection || '' = $2 and position > $3
     order by position fetch first ${pageSize} rows with ties)
    union all
    (select item_id, position, true, null, null, null, null, null from retrieval.item_tombstone
     where log = retrieval.log_of($1, $2) and collection || '' = $2 and position > $3
     order by position fetch first ${pageSize} rows with ties)
    order by position
    fetch first ${pageSize} rows with ties
  )
  select page.*, v.space, v.model_version, v.kinds, v.part, v.vector, null as spaces from page
  left join lateral (
    select space, model_version, kinds, part, vector from retrieval.item_vector v
    where not is_deleted and v.tenant_id = $1 and v.collection = $2 and v.item_id = page.id
    offset 0
  ) v on true
  union all
  select null, position, false, null, null, null, null, null, null, null, null, null, null, spaces from retrieval.collection
  where tenant_id = $1 and name = $2
  order by position, id nulls last, space, model_version, kinds, part`;

function changesOf(rows: readonly LogRow[]): Change[] {
  const changes: Change[] = [];
  for (let start = 0, end = 0; start < rows.length; start = end) {
    const { id, is_deleted } = rows[start];
    const position = Number(rows[start].position);
    while (end < rows.length && rows[end].id === id && rows[end].is_deleted === is_deleted) end += 1;
    if (is_deleted) {
      changes.push({ position, deleted: id });
      continue;
    }
    const parts = rows.slice(start, end).flatMap(({ space, model_version, kinds, part, vector }) => (vector ? [{ space: indexKey({ name: space!, modelVersion: model_version! }), kinds: kindsOf(kinds!), part: part!, vector: toFloats(vector) }] : []));
    const { keeper } = rows[start];
    changes.push({ position, item: { id, fields: fieldsOf(rows[start]), ...(keeper ? { keeper } : {}), parts } });
  }
  return changes;
}

/** What was not said is not there, so that a filter can ask for it. */
function fieldsOf({ attributes, category, author, created_at }: LogRow): Record<string, unknown> {
  return { ...attributes, ...(category ? { category } : {}), ...(author ? { author } : {}), createdAt: created_at!.getTime() };
}

/** Copies, because a buffer of the driver is not aligned. */
function toFloats(bytes: Buffer): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}
