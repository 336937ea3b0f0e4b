import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Page, pageOf, placeAt } from '@touchstone/contracts';
import { Database, insertOnce } from '@touchstone/persistence';
import { type Actor, addToAudit } from '../audit/audit.service.ts';
import { TenantRow } from '../key/api-key.entity.ts';
import { tenantExists, tenantNotFound } from './tenant.errors.ts';

/** What is absent has the default. */
export interface TenantLimits {
  readonly requestsPerMinute?: number;
  /** Bytes of all its blobs. */
  readonly blobBytes?: number;
  /** Items in all its collections. */
  readonly items?: number;
}

@Injectable()
export class Tenants {
  constructor(private readonly database: Database) {}

  /** @throws Problem TENANT_EXISTS */
  async create(name: string, actor: Actor): Promise<TenantRow> {
    return this.database.systemTransaction(async (transaction) => {
      const id = randomUUID();
      if (!(await insertOnce(transaction, transaction.create(TenantRow, { id, name })))) throw tenantExists(name);
      await addToAudit(transaction, actor, 'tenant.created', id);
      return transaction.findOneByOrFail(TenantRow, { id });
    });
  }

  /**
   * Sets how often a tenant may call, which gateways know within a minute, and how much it may store.
   *
   * @throws Problem TENANT_NOT_FOUND
   */
  async limit(tenant: { readonly id: string } | { readonly name: string }, { requestsPerMinute, blobBytes, items }: TenantLimits, actor: Actor): Promise<TenantRow> {
    return this.database.systemTransaction(async (transaction) => {
      const row = await transaction.findOneBy(TenantRow, tenant);
      if (!row) throw tenantNotFound(Object.values(tenant)[0]);
      await transaction.update(TenantRow, { id: row.id }, { requestsPerMinute: requestsPerMinute ?? null, blobBytes: blobBytes ?? null, items: items ?? null });
      await addToAudit(transaction, actor, 'tenant.limited', row.id);
      return transaction.findOneByOrFail(TenantRow, { id: row.id });
    });
  }

  /** Oldest first. */
  async list(limit: number, cursor?: string): Promise<Page<TenantRow>> {
    const [after = '00000000-0000-0000-0000-000000000000'] = placeAt(cursor, /^([0-9a-f-]{36})$/) ?? [];
    const rows = await this.database.systemTransaction((transaction) =>
      transaction
        .createQueryBuilder(TenantRow, 'tenant')
        .where(`(tenant.created_at, tenant.id) > (coalesce((select created_at from gateway.tenant where id = :after), '-infinity'), :after::uuid)`, { after })
        .orderBy('tenant.createdAt')
        .addOrderBy('tenant.id')
        .limit(limit + 1)
        .getMany(),
    );
    return pageOf(rows, limit, ({ id }) => id);
  }
}
