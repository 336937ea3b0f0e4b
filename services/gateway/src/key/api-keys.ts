import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, insertOnce } from '@touchstone/persistence';
import { ApiKeyRow, TenantRow } from './api-key.entity.ts';
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

const scopePattern = /^(\*|[a-z]+:(read|write|admin))$/;

/** The operator's side of keys: create, list, revoke. */
@Injectable()
export class ApiKeys {
  constructor(private readonly database: Database) {}

  /**
   * @returns the key in full; nobody can show it again.
   * @throws RangeError for a scope of another form, or none.
   */
  async create({ tenantName, scopes, name, expiresAt }: NewKey): Promise<{ key: string; id: string; tenantId: string }> {
    if (scopes.length === 0) throw new RangeError('scopes: a key without a scope opens nothing');
    const wrong = scopes.find((scope) => !scopePattern.test(scope));
    if (wrong !== undefined) throw new RangeError(`scopes: expected <service>:<read|write|admin> or *, got ${wrong}`);
    if (tenantName === '') throw new RangeError('tenantName: is empty');

    const token = newKeyToken();
    const tenantId = await this.database.systemTransaction(async (transaction) => {
      await insertOnce(transaction, transaction.create(TenantRow, { id: randomUUID(), name: tenantName }));
      const tenant = await transaction.findOneByOrFail(TenantRow, { name: tenantName });
      const row = { id: token.id, tenantId: tenant.id, secretHash: hashSecret(token.secret), scopes: [...scopes], name, expiresAt: expiresAt ?? null };
      await transaction.insert(ApiKeyRow, row);
      return tenant.id;
    });
    return { key: formatKey(token), id: token.id, tenantId };
  }

  /** All keys, oldest first; revoked and expired ones too. */
  async list(): Promise<ApiKey[]> {
    return this.database.systemTransaction(async (transaction) => {
      const tenants = new Map((await transaction.find(TenantRow)).map(({ id, name }) => [id, name]));
      const rows = await transaction.find(ApiKeyRow, { order: { createdAt: 'ASC', id: 'ASC' } });
      return rows.map(({ secretHash: _, expiresAt, revokedAt, lastUsedAt, ...row }) => ({
        ...row,
        tenantName: tenants.get(row.tenantId)!,
        expiresAt: expiresAt ?? undefined,
        revokedAt: revokedAt ?? undefined,
        lastUsedAt: lastUsedAt ?? undefined,
      }));
    });
  }

  /** Running gateways refuse the key within five seconds. @returns false when there is no such key. */
  async revoke(id: string): Promise<boolean> {
    return this.database.systemTransaction(async (transaction) => {
      const isKnown = await transaction.existsBy(ApiKeyRow, { id });
      await transaction.query('update gateway.api_key set revoked_at = coalesce(revoked_at, now()) where id = $1', [id]);
      return isKnown;
    });
  }
}
