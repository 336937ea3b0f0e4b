import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type EntityManager, In, MoreThan } from 'typeorm';
import { Compression, Encoding } from './compression.entity.ts';

/** What is about to end is not given any more: an answer has to be worth something when it arrives. */
const reserveMs = 60_000;

/** Rows that are there, by their ids. */
export interface Stored {
  readonly encodings: Map<string, Encoding>;
  readonly compressions: Map<string, Compression>;
}

type New<Row> = Omit<Row, 'tenantId' | 'createdAt'>;
export type NewEncoding = New<Encoding>;
export type NewCompression = New<Compression>;

/** Encodings and compressions of tenants, until their time is over. */
@Injectable()
export class CompressionStore {
  constructor(private readonly database: Database) {}

  async find(tenant: Tenant, { encodings, compressions }: { encodings: readonly string[]; compressions: readonly string[] }, now: Date): Promise<Stored> {
    return this.database.transaction(tenant, (transaction) => find(transaction, tenant, encodings, compressions, now));
  }

  /** A compression with its encoding. */
  async get(tenant: Tenant, id: string, now: Date): Promise<{ compression: Compression; encoding: Encoding } | undefined> {
    return this.database.transaction(tenant, async (transaction) => {
      const compression = await transaction.findOneBy(Compression, { tenantId: tenant.id, id, expiresAt: MoreThan(now) });
      const encoding = compression && (await transaction.findOneBy(Encoding, { tenantId: tenant.id, id: compression.encodingId, expiresAt: MoreThan(now) }));
      return compression && encoding ? { compression, encoding } : undefined;
    });
  }

  /**
   * Saves rows whose blobs are stored. Of two callers with the same the first is kept.
   *
   * @param gone blobs that rows name and that are no longer there: such rows are replaced, as those are whose time is nearly over.
   * @returns what there is now under the ids of the rows.
   */
  async save(tenant: Tenant, { encodings, compressions, gone }: { encodings: readonly NewEncoding[]; compressions: readonly NewCompression[]; gone: readonly string[] }, now: Date): Promise<Stored> {
    return this.database.transaction(tenant, async (transaction) => {
      const own = { tenantId: tenant.id };
      const written = [
        ...(await put(transaction, Encoding, encodings.map((row) => ({ ...row, ...own })), gone, now)),
        ...(await put(transaction, Compression, compressions.map((row) => ({ ...row, ...own })), gone, now)),
      ];
      const others = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id).filter((id) => !written.includes(id));
      const found = await find(transaction, tenant, others(encodings), others(compressions), now);
      const made = <Row extends { readonly id: string }>(rows: readonly Row[]) => rows.filter(({ id }) => written.includes(id)).map((row) => [row.id, { ...row, ...own, createdAt: now }] as const);
      return { encodings: new Map([...found.encodings, ...made(encodings)]), compressions: new Map([...found.compressions, ...made(compressions)]) };
    });
  }

  /** Drops what is over, of all tenants; compressions go with their encodings. */
  async sweep(): Promise<void> {
    for (const table of ['compression', 'encoding']) await this.database.systemQuery(`delete from compression.${table} where expires_at <= now()`);
  }
}

async function find(transaction: EntityManager, tenant: Tenant, encodings: readonly string[], compressions: readonly string[], now: Date): Promise<Stored> {
  const of = (ids: readonly string[]) => ({ tenantId: tenant.id, id: In([...ids]), expiresAt: MoreThan(soon(now)) });
  const encoded = encodings.length === 0 ? [] : await transaction.findBy(Encoding, of(encodings));
  const compressed = compressions.length === 0 ? [] : await transaction.findBy(Compression, of(compressions));
  return { encodings: new Map(encoded.map((row) => [row.id, row])), compressions: new Map(compressed.map((row) => [row.id, row])) };
}

/** In the order of their ids: two writers of the same rows wait for each other in one direction only. @returns ids of the rows that were written. */
async function put<Row extends typeof Encoding | typeof Compression>(transaction: EntityManager, entity: Row, rows: readonly Omit<InstanceType<Row>, 'createdAt'>[], gone: readonly string[], now: Date): Promise<string[]> {
  if (rows.length === 0) return [];
  const { columns, tableName } = transaction.connection.getMetadata(entity);
  const overwritten = columns.map(({ databaseName }) => databaseName).filter((name) => !['tenant_id', 'id', 'created_at'].includes(name));
  const { raw } = await transaction
    .createQueryBuilder()
    .insert()
    .into(entity)
    .values(rows.toSorted((one, other) => (one.id < other.id ? -1 : 1)) as never)
    .orUpdate(overwritten, ['tenant_id', 'id'], {
      overwriteCondition: { where: `${tableName}.expires_at <= :soon or ${tableName}.blob_id = any(:gone)`, parameters: { soon: soon(now), gone } },
    })
    .returning('id')
    .updateEntity(false)
    .execute();
  return (raw as { id: string }[]).map(({ id }) => id);
}

const soon = (now: Date) => new Date(now.getTime() + reserveMs);
