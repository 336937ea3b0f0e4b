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
      // In the order of their ids: two writers of the same rows wait for each other in one direction only.
      for (const row of encodings.toSorted(byId)) await put(transaction, Encoding, { ...row, tenantId: tenant.id }, gone, now);
      for (const row of compressions.toSorted(byId)) await put(transaction, Compression, { ...row, tenantId: tenant.id }, gone, now);
      return find(transaction, tenant, encodings.map(({ id }) => id), compressions.map(({ id }) => id), now);
    });
  }

  /** Drops what is over, of all tenants; compressions go with their encodings. */
  async sweep(): Promise<void> {
    for (const table of ['compression', 'encoding']) await this.database.systemQuery(`delete from compression.${table} where expires_at <= now()`);
  }
}

async function find(transaction: EntityManager, tenant: Tenant, encodings: readonly string[], compressions: readonly string[], now: Date): Promise<Stored> {
  const of = (ids: readonly string[]) => ({ tenantId: tenant.id, id: In([...ids]), expiresAt: MoreThan(soon(now)) });
  const [encoded, compressed] = [
    encodings.length === 0 ? [] : await transaction.findBy(Encoding, of(encodings)),
    compressions.length === 0 ? [] : await transaction.findBy(Compression, of(compressions)),
  ];
  return { encodings: new Map(encoded.map((row) => [row.id, row])), compressions: new Map(compressed.map((row) => [row.id, row])) };
}

async function put<Row extends typeof Encoding | typeof Compression>(transaction: EntityManager, entity: Row, row: Omit<InstanceType<Row>, 'createdAt'>, gone: readonly string[], now: Date): Promise<void> {
  const { columns, tableName } = transaction.connection.getMetadata(entity);
  const written = columns.map(({ databaseName }) => databaseName).filter((name) => !['tenant_id', 'id', 'created_at'].includes(name));
  await transaction
    .createQueryBuilder()
    .insert()
    .into(entity)
    .values(row as never)
    .orUpdate(written, ['tenant_id', 'id'], {
      overwriteCondition: { where: `${tableName}.expires_at <= :soon or ${tableName}.blob_id = any(:gone)`, parameters: { soon: soon(now), gone } },
    })
    .updateEntity(false)
    .execute();
}

const soon = (now: Date) => new Date(now.getTime() + reserveMs);

const byId = (one: { readonly id: string }, other: { readonly id: string }) => (one.id < other.id ? -1 : 1);
