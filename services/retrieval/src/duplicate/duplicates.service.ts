import { Injectable } from '@nestjs/common';
import { type Page, pageOf, placeAt } from '@touchstone/contracts';
import type { ScanDuplicatesRequest } from '@touchstone/contracts/gen/touchstone/retrieval/v1/duplicate_pb';
import { type Operation, Operations } from '@touchstone/operations';
import { Database } from '@touchstone/persistence';
import type { Once } from '@touchstone/runtime/once';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { Collection } from '../collection/collection.entity.ts';
import { collectionNotFound } from '../collection/collection.errors.ts';
import { lockCollection } from '../collection/log-position.ts';
import { Items } from '../item/items.service.ts';
import type { DuplicateState, Evidence } from './duplicate.entity.ts';
import { duplicateNotFound, keeperIsDuplicate, noSuchSpace, nothingToCompare } from './duplicate.errors.ts';
import { duplicatesScan } from './duplicates-scan.operation.ts';
import { Folding } from './folding.service.ts';
import { scanUnits } from './scan-plan.ts';

/** A pair as it is stored, and what became of it. */
export interface DuplicateRow {
  readonly id: string;
  readonly keeper: string;
  readonly duplicate: string;
  readonly state: DuplicateState;
  readonly strength: number;
  readonly evidence: readonly Evidence[];
  readonly found_at: Date;
  readonly decided_at: Date | null;
  readonly is_folded: boolean;
}

export interface DuplicateFilter {
  readonly state?: string;
  readonly itemId?: string;
  readonly limit: number;
  readonly cursor?: string;
}

const columns = 'd.id, d.keeper, d.duplicate, d.state, d.strength, d.evidence, d.found_at, d.decided_at, coalesce(i.keeper = d.keeper, false) as is_folded';
const from = `retrieval.duplicate d join retrieval.item i on i.tenant_id = d.tenant_id and i.collection = d.collection and i.id = d.duplicate`;

/** The pairs of duplicates of collections, and what people decide about them. */
@Injectable()
export class Duplicates {
  constructor(
    private readonly database: Database,
    private readonly operations: Operations,
    private readonly items: Items,
    private readonly folding: Folding,
  ) {}

  /** Asks for a scan. @throws Problem collection-not-found, space-not-found, invalid-request */
  async scan(tenant: Tenant, input: ScanDuplicatesRequest, once?: Once<Operation>): Promise<Operation> {
    return this.database.transaction(tenant, async (transaction) => {
      const collection = await transaction.findOneBy(Collection, { tenantId: tenant.id, name: input.collection });
      if (!collection) throw collectionNotFound(input.collection);
      const names = collection.spaces.map(({ name }) => name);
      if (input.space !== undefined && !names.includes(input.space)) throw noSuchSpace(input.space, names);
      if (scanUnits(collection.spaces, input).length === 0) throw nothingToCompare(input.kinds, names);
      return this.operations.enqueue(transaction, tenant, duplicatesScan, input);
    }, once);
  }

  /** The surest first. @throws Problem collection-not-found */
  async list(tenant: Tenant, name: string, { state, itemId, limit, cursor }: DuplicateFilter): Promise<Page<DuplicateRow>> {
    const [strength, id] = placeAt(cursor, /^(\d[\d.e-]{0,30}) ([0-9a-f]{32})$/) ?? [null, null];
    const rows = await this.database.transaction(tenant, async (transaction) => {
      if (!(await transaction.existsBy(Collection, { tenantId: tenant.id, name }))) throw collectionNotFound(name);
      return transaction.query<DuplicateRow[]>(
        `select ${columns} from ${from} where d.tenant_id = $1 and d.collection = $2
         and ($3::text is null or d.state = $3) and ($4::text is null or d.keeper = $4 or d.duplicate = $4)
         and ($5::double precision is null or d.strength < $5 or (d.strength = $5 and d.id > $6))
         order by d.strength desc, d.id limit $7`,
        [tenant.id, name, state ?? null, itemId ?? null, strength, id, limit + 1],
      );
    });
    return pageOf(rows, limit, (row) => `${row.strength} ${row.id}`);
  }

  /**
   * Confirms a pair; with `isDeleted` deletes the duplicate and all of its pairs.
   *
   * @throws Problem duplicate-not-found, keeper-is-duplicate
   */
  async merge(tenant: Tenant, name: string, id: string, isDeleted: boolean, once?: Once<DuplicateRow>): Promise<DuplicateRow> {
    return this.database.transaction(tenant, async (transaction) => {
      await lockCollection(transaction, tenant, name);
      const pair = await find(transaction, tenant, name, id);
      if (isDeleted) {
        await this.items.remove(transaction, tenant, name, pair.duplicate);
        return { ...pair, state: 'merged', decided_at: new Date(), is_folded: false };
      }
      await refuseChain(transaction, tenant, name, pair);
      return this.decide(transaction, tenant, name, pair, 'merged');
    }, once);
  }

  /** @throws Problem duplicate-not-found */
  async dismiss(tenant: Tenant, name: string, id: string, once?: Once<DuplicateRow>): Promise<DuplicateRow> {
    return this.database.transaction(tenant, async (transaction) => {
      await lockCollection(transaction, tenant, name);
      return this.decide(transaction, tenant, name, await find(transaction, tenant, name, id), 'dismissed');
    }, once);
  }

  private async decide(transaction: EntityManager, tenant: Tenant, name: string, pair: DuplicateRow, state: DuplicateState): Promise<DuplicateRow> {
    if (pair.state === state) return pair;
    await transaction.query('update retrieval.duplicate set state = $4, decided_at = now() where tenant_id = $1 and collection = $2 and id = $3', [tenant.id, name, pair.id, state]);
    await this.folding.refold(transaction, tenant, name, [pair.keeper, pair.duplicate]);
    return find(transaction, tenant, name, pair.id);
  }
}

async function find(transaction: EntityManager, tenant: Tenant, name: string, id: string): Promise<DuplicateRow> {
  const [row] = await transaction.query<DuplicateRow[]>(`select ${columns} from ${from} where d.tenant_id = $1 and d.collection = $2 and d.id = $3`, [tenant.id, name, id]);
  if (!row) throw duplicateNotFound(name, id);
  return row;
}

/** Among merged pairs an item is in one role, and a duplicate in one pair. */
async function refuseChain(transaction: EntityManager, tenant: Tenant, name: string, { id, keeper, duplicate }: DuplicateRow): Promise<void> {
  const [other] = await transaction.query<{ id: string }[]>(
    `select id from retrieval.duplicate where tenant_id = $1 and collection = $2 and state = 'merged' and id <> $3
     and (duplicate = any($4) or keeper = $5) order by id limit 1`,
    [tenant.id, name, id, [keeper, duplicate], duplicate],
  );
  if (other) throw keeperIsDuplicate(keeper, duplicate, other.id);
}
