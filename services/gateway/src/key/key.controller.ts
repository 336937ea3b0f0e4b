import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { UseFilters } from '@nestjs/common';
import { type Call, GrpcController, type Implementation, PassErrors, type Result } from '@touchstone/contracts';
import {
  type CreateKeyRequest,
  type KeySchema,
  KeyService,
  type ListKeysRequest,
  type ListKeysResponseSchema,
  type NewKeySchema,
  type RevokeKeyRequest,
  type RotateKeyRequest,
} from '@touchstone/contracts/gen/touchstone/gateway/v1/key_pb';
import { actorOf } from '../audit/audit.service.ts';
import type { ApiKeyRow } from './api-key.entity.ts';
import { ApiKeys, type IssuedKey } from './api-keys.ts';
import { scopesExceeded } from './key.errors.ts';

/** Keys of the caller's tenant, or of another one for who administers the platform. */
@UseFilters(PassErrors) // the gateway's own filter answers HTTP
@GrpcController(KeyService)
export class KeyController implements Implementation<typeof KeyService> {
  constructor(private readonly keys: ApiKeys) {}

  async createKey({ name, scopes, expiresAt, tenantId, requestsPerMinute }: CreateKeyRequest, call: Call): Promise<Result<typeof NewKeySchema>> {
    const { tenant } = call;
    refuseToGrant(tenantId === undefined || tenantId === tenant.id ? scopes : [...scopes, 'platform:admin'], call);
    const newKey = { name, scopes, expiresAt: expiresAt && timestampDate(expiresAt), requestsPerMinute };
    return issuedMessage(await this.keys.createFor(tenantId ?? tenant.id, newKey, actorOf(call)));
  }

  async listKeys({ limit = 50, cursor }: ListKeysRequest, { tenant }: Call): Promise<Result<typeof ListKeysResponseSchema>> {
    const { rows, nextCursor } = await this.keys.listOf(tenant, limit, cursor);
    return { keys: rows.map(toMessage), nextCursor };
  }

  async rotateKey({ id, graceHours = 0 }: RotateKeyRequest, call: Call): Promise<Result<typeof NewKeySchema>> {
    const allow = ({ scopes }: ApiKeyRow) => refuseToGrant(scopes, call); // who gets its secret may do what it may
    return issuedMessage(await this.keys.rotate({ id, tenant: call.tenant, graceHours, allow }, actorOf(call)));
  }

  async revokeKey({ id }: RevokeKeyRequest, call: Call): Promise<Result<typeof KeySchema>> {
    return toMessage(await this.keys.revoke({ id, tenant: call.tenant }, actorOf(call)));
  }
}

function refuseToGrant(scopes: readonly string[], { caller }: Call): void {
  const missing = caller.scopes.includes('*') ? [] : scopes.filter((scope) => !caller.scopes.includes(scope));
  if (missing.length > 0) throw scopesExceeded(missing);
}

function issuedMessage({ key, row }: IssuedKey): Result<typeof NewKeySchema> {
  return { secret: key, key: toMessage(row) };
}

function toMessage({ id, tenantId, name, scopes, createdAt, expiresAt, revokedAt, lastUsedAt, oldSecretUntil, requestsPerMinute }: ApiKeyRow): Result<typeof KeySchema> {
  const time = (date: Date | null) => (date ? timestampFromDate(date) : undefined);
  return {
    ...{ id, tenantId, name, scopes, createdAt: timestampFromDate(createdAt) },
    ...{ expiresAt: time(expiresAt), revokedAt: time(revokedAt), lastUsedAt: time(lastUsedAt), oldSecretUntil: time(oldSecretUntil) },
    requestsPerMinute: requestsPerMinute ?? undefined,
  };
}
