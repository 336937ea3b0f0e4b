import { type DynamicModule, Module } from '@nestjs/common';
import { Database, PersistenceModule } from '@touchstone/persistence';
import { BlobRow, UploadRow } from '../blob/blob.entity.ts';
import { AuditController } from '../audit/audit.controller.ts';
import { AuditRow } from '../audit/audit.entity.ts';
import { RequestCountRow } from '../limit/request-count.entity.ts';
import { Audit } from '../audit/audit.service.ts';
import { RateLimiter } from '../limit/rate-limiter.ts';
import { TenantController } from '../tenant/tenant.controller.ts';
import { Tenants } from '../tenant/tenants.service.ts';
import { ApiKeyRow, TenantRow } from './api-key.entity.ts';
import { ApiKeys, type NewKey } from './api-keys.ts';
import { KeyController } from './key.controller.ts';
import { KeyVerifier } from './key-verifier.ts';

/** Connection URLs of the gateway's two roles. */
export interface DatabaseUrls {
  /** Of `gateway`. */
  readonly url: string;
  /** Of `gateway_system`, who alone may touch keys. */
  readonly systemUrl: string;
}

@Module({})
export class KeysModule {
  /** @param limits of a tenant for which nobody set others. */
  static forDatabase(urls: DatabaseUrls, { requestsPerMinute, items }: { requestsPerMinute?: number; items?: number } = {}): DynamicModule {
    return {
      module: KeysModule,
      imports: [PersistenceModule.forService(databaseOptions(urls))],
      controllers: [AuditController, KeyController, TenantController],
      providers: [ApiKeys, Audit, Tenants, { provide: RateLimiter, useFactory: (database: Database) => new RateLimiter(database, Date.now, requestsPerMinute), inject: [Database] }, { provide: KeyVerifier, useFactory: (database: Database) => new KeyVerifier(database, Date.now, { items }), inject: [Database] }],
      exports: [ApiKeys, KeyVerifier, RateLimiter],
    };
  }
}

/** The keys of an installation, for a program that runs no gateway. Close it after use. */
export function openKeys(urls: DatabaseUrls): { keys: ApiKeys; tenants: Tenants; close: () => Promise<void> } {
  const database = new Database(databaseOptions(urls));
  return { keys: new ApiKeys(database), tenants: new Tenants(database), close: () => database.close() };
}

/** Creates one key, and its tenant if there is none of that name. @returns the key in full, for the only time. */
export async function createKey(urls: DatabaseUrls, newKey: NewKey): Promise<{ key: string; id: string; tenantId: string }> {
  const { keys, close } = openKeys(urls);
  try {
    return await keys.create(newKey);
  } finally {
    await close();
  }
}

function databaseOptions({ url, systemUrl }: DatabaseUrls) {
  return { url, systemUrl, service: 'gateway', entities: [TenantRow, ApiKeyRow, AuditRow, RequestCountRow, BlobRow, UploadRow] };
}
