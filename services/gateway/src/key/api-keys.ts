import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Page, pageOf, placeAt } from '@touchstone/contracts';
import { Database, insertOnce } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { type Actor, addToAudit } from '../audit/audit.service.ts';
import { tenantNotFound } from '../tenant/tenant.errors.ts';
import { ApiKeyRow, TenantRow } from './api-key.entity.ts';
import { keyNotFound, keyRevoked, limitTooHigh } from './key.errors.ts';
import { formatKey, hashSecret, newKeyToken } from './key-token.ts';

/** What a new key is to be. */
export interface NewKey {
  /** The tenant is created when there is none of that name. */
  readonly tenantName: string;
  /** `<service>:<read|write|admin>`, or `*`. */
  readonly scopes: readonly string[];
  /** What the key is for, in the operator's words. */
  readonly name: string;
  /** Never when absent. */
  readonly expiresAt?: Date;
  /** Its own limit beside its tenant's; none when absent. */
  readonly requestsPerMinute?: number;
}

/** What may be shown of a key. */
export interface ApiKey extends NewKey {
  readonly id: string;
  readonly tenantId: string;
  readonly createdAt: Date;
  readonly revokedAt?: Date;
  /** To the minute. */
  readonly lastUsedAt?: Date;
}

/** A key with its secret, for the only time. */
export interface IssuedKey {
  readonly key: string;
  readonly row: ApiKeyRow;
}

/** Names a key; of any tenant when none is named, for an operator. */
export interface KeyName {
  readonly id: string;
  readonly tenant?: Tenant;
}

export interface Rotation extends KeyName {
  /** For how long the old secret opens too. */
  readonly graceHours: number;
  /** Throws when the key may not be made anew. */
  readonly allow?: (row: ApiKeyRow) => void;
}

/** An operator at the command line. */
export const operator: Actor = {};
const scopePattern = /^(\*|[a-z]+:(read|write|admin))$/;

/** Keys: create, list, rotate, revoke. Each act is in the audit log. */
@Injectable()
export class ApiKeys {
  constructor(private readonly database: Database) {}

  /**
   * @returns the key in full; nobody can show it again.
   * @throws RangeError for a scope of another form, or none.
   */
  async create({ tenantName, scopes, name, expiresAt, requestsPerMinute }: NewKey): Promise<{ key: string; id: string; tenantId: string }> {
    if (scopes.length === 0) throw new RangeError('scopes: a key without a scope opens nothing');
    const wrong = scopes.find((scope) => !scopePattern.test(scope));
    if (wrong !== undefined) throw new RangeError(`scopes: expected <service>:<read|write|admin> or *, got ${wrong}`);
    if (tenantName === '') throw new RangeError('tenantName: is empty');

    return this.database.systemTransaction(async (transaction) => {
      const isNew = await insertOnce(transaction, transaction.create(TenantRow, { id: randomUUID(), name: tenantName }));
      const tenant = await transaction.findOneByOrFail(TenantRow, { name: tenantName });
      if (isNew) await addToAudit(transaction, operator, 'tenant.created', tenant.id);
      const { key, row } = await issue(transaction, tenant.id, { scopes, name, expiresAt, requestsPerMinute }, operator);
      return { key, id: row.id, tenantId: tenant.id };
    });
  }

  /** @throws Problem TENANT_NOT_FOUND, INVALID_REQUEST when the key would have more requests than the one that makes it */
  async createFor(tenantId: string, newKey: Omit<NewKey, 'tenantName'>, actor: Actor): Promise<IssuedKey> {
    return this.database.systemTransaction(async (transaction) => {
      if (!(await transaction.existsBy(TenantRow, { id: tenantId }))) throw tenantNotFound(tenantId, '/tenantId');
      await demandLimitWithin(transaction, newKey.requestsPerMinute, actor);
      return issue(transaction, tenantId, newKey, actor);
    });
  }

  /** All keys, oldest first; revoked and expired ones too. */
  async list(): Promise<ApiKey[]> {
    return this.database.systemTransaction(async (transaction) => {
      const tenants = new Map((await transaction.find(TenantRow)).map(({ id, name }) => [id, name]));
      const rows = await transaction.find(ApiKeyRow, { order: { createdAt: 'ASC', id: 'ASC' } });
      return rows.map(({ secretHash: _, oldSecretHash: __, expiresAt, revokedAt, lastUsedAt, requestsPerMinute, ...row }) => ({
        ...row,
        tenantName: tenants.get(row.tenantId)!,
        expiresAt: expiresAt ?? undefined,
        revokedAt: revokedAt ?? undefined,
        lastUsedAt: lastUsedAt ?? undefined,
        requestsPerMinute: requestsPerMinute ?? undefined,
      }));
    });
  }

  /** A tenant's keys, oldest first; revoked and expired ones too. */
  async listOf(tenant: Tenant, limit: number, cursor?: string): Promise<Page<ApiKeyRow>> {
    const [after = ''] = placeAt(cursor, /^([0-9a-f]{12})$/) ?? [];
    const rows = await this.database.systemTransaction((transaction) =>
      transaction
        .createQueryBuilder(ApiKeyRow, 'key')
        .where('key.tenant_id = :tenant', { tenant: tenant.id })
        .andWhere(`(key.created_at, key.id) > (coalesce((select created_at from gateway.api_key where id = :after and tenant_id = :tenant), '-infinity'), :after)`, { after })
        .orderBy('key.createdAt')
        .addOrderBy('key.id')
        .limit(limit + 1)
        .getMany(),
    );
    return pageOf(rows, limit, ({ id }) => id);
  }

  /**
   * Gives a key a new secret; the one before opens for the grace period too. Running gateways learn of it within five seconds.
   *
   * @throws Problem KEY_NOT_FOUND, KEY_REVOKED, INVALID_REQUEST when the key has more requests than the one that asks
   */
  async rotate({ id, tenant, graceHours, allow }: Rotation, actor: Actor): Promise<IssuedKey> {
    return this.database.systemTransaction(async (transaction) => {
      const row = await find(transaction, { id, tenant });
      allow?.(row);
      await demandLimitWithin(transaction, row.requestsPerMinute ?? undefined, actor);
      if (row.revokedAt) throw keyRevoked(id);
      const { secret } = newKeyToken();
      await transaction.query(
        `update gateway.api_key set secret_hash = $2,
           old_secret_hash = case when $3 > 0 then secret_hash end,
           old_secret_until = case when $3 > 0 then now() + $3 * interval '1 hour' end
         where id = $1`,
        [id, hashSecret(secret), graceHours],
      );
      await addToAudit(transaction, actor, 'key.rotated', id);
      return { key: formatKey({ id, secret }), row: await find(transaction, { id }) };
    });
  }

  /** Running gateways refuse the key within five seconds. @throws Problem KEY_NOT_FOUND */
  async revoke(name: KeyName, actor: Actor): Promise<ApiKeyRow> {
    return this.database.systemTransaction(async (transaction) => {
      const row = await find(transaction, name);
      if (row.revokedAt) return row;
      await transaction.query('update gateway.api_key set revoked_at = now() where id = $1', [row.id]);
      await addToAudit(transaction, actor, 'key.revoked', row.id);
      return find(transaction, { id: row.id });
    });
  }
}

async function issue(transaction: EntityManager, tenantId: string, { scopes, name, expiresAt, requestsPerMinute }: Omit<NewKey, 'tenantName'>, actor: Actor): Promise<IssuedKey> {
  const token = newKeyToken();
  await transaction.insert(ApiKeyRow, { id: token.id, tenantId, secretHash: hashSecret(token.secret), scopes: [...scopes], name, expiresAt: expiresAt ?? null, requestsPerMinute: requestsPerMinute ?? null });
  await addToAudit(transaction, actor, 'key.created', token.id);
  return { key: formatKey(token), row: await find(transaction, { id: token.id }) };
}

/** Who gets a key's secret may call as often as it may: no more often than the acting key, if that has a limit of its own. */
async function demandLimitWithin(transaction: EntityManager, requestsPerMinute: number | undefined, { keyId }: Actor): Promise<void> {
  const acting = keyId === undefined ? null : await transaction.findOneBy(ApiKeyRow, { id: keyId });
  const most = acting?.requestsPerMinute ?? Infinity;
  if ((requestsPerMinute ?? Infinity) > most) throw limitTooHigh(most);
}

/** Locks the row, so that two acts on one key come one after the other. */
async function find(transaction: EntityManager, { id, tenant }: KeyName): Promise<ApiKeyRow> {
  const where = tenant ? { id, tenantId: tenant.id } : { id };
  const row = await transaction.findOne(ApiKeyRow, { where, lock: { mode: 'pessimistic_write' } });
  if (!row) throw keyNotFound(id);
  return row;
}
