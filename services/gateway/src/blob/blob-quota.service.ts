import { Inject, Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { quotaExceeded } from './blob.errors.ts';

/** What a request and a tenant may bring. */
export interface BlobLimits {
  /** Of one blob, whether it comes at once or as an upload. */
  readonly maximumBytes: number;
  /** Of all blobs of a tenant for which nobody set another limit; none when absent. */
  readonly tenantBytes?: number;
}

export const BLOB_LIMITS = Symbol('BlobLimits');

/**
 * How many bytes a tenant stores, and how many it may. An upload counts from its beginning with all that it announced, so
 * that none which was begun finds no room.
 */
@Injectable()
export class BlobQuota {
  constructor(
    private readonly database: Database,
    @Inject(BLOB_LIMITS) private readonly limits: BlobLimits,
  ) {}

  /** Bytes that the tenant may store; undefined without a limit. Asked before the transaction that claims them. */
  async limitOf(tenant: Tenant): Promise<number | undefined> {
    const [row] = await this.database.systemQuery<{ bytes: string | null }>('select blob_bytes as bytes from gateway.tenant where id = $1', [tenant.id]);
    return row?.bytes == null ? this.limits.tenantBytes : Number(row.bytes);
  }

  /**
   * Adds bytes to those of the tenant's blobs, in the transaction of what they belong to. Until it commits nobody else of the
   * tenant stores or deletes anything.
   *
   * @param blobBytes of a blob that is stored, negative for one that is deleted.
   * @param uploadBytes of an upload that is about to begin.
   * @throws Problem blob-quota-exceeded when more would be stored than `limit`.
   */
  async claim(transaction: EntityManager, tenant: Tenant, { blobBytes = 0, uploadBytes = 0 }: { blobBytes?: number; uploadBytes?: number }, limit?: number): Promise<void> {
    const [{ bytes }]: { bytes: string }[] = await transaction.query(
      `insert into gateway.blob_usage as present (tenant_id, bytes) values ($1, $2)
       on conflict (tenant_id) do update set bytes = present.bytes + excluded.bytes returning bytes`,
      [tenant.id, blobBytes],
    );
    if (limit === undefined || blobBytes + uploadBytes <= 0) return;
    const [{ uploads }]: { uploads: string }[] = await transaction.query(
      'select coalesce(sum(bytes), 0) as uploads from gateway.upload where tenant_id = $1 and blob_id is null and expires_at > now()',
      [tenant.id],
    );
    const before = Number(bytes) - blobBytes + Number(uploads);
    if (before + blobBytes + uploadBytes > limit) throw quotaExceeded(before, blobBytes + uploadBytes, limit);
  }
}
