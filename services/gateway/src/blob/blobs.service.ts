import type { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { Database, insertOnce } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { BlobRow, UploadRow } from './blob.entity.ts';
import { blobNotFound, cutOff, emptyBlob } from './blob.errors.ts';
import { BLOB_LIMITS, type BlobLimits, BlobQuota } from './blob-quota.service.ts';
import { BlobStore, type ByteRange, type IncomingBytes, type ReceivedFile } from './blob-store.ts';

/** Content-addressed bytes of tenants. Equal bytes of one tenant are one blob; two tenants know nothing of each other. */
@Injectable()
export class Blobs {
  constructor(
    private readonly database: Database,
    private readonly place: BlobStore,
    private readonly quota: BlobQuota,
    @Inject(BLOB_LIMITS) readonly limits: BlobLimits,
  ) {}

  /** Stores what comes. @returns the blob that there is now, which may have been there before. */
  async store(tenant: Tenant, incoming: IncomingBytes, mediaType: string): Promise<BlobRow> {
    const file = await this.place.receive(tenant, incoming, this.limits.maximumBytes);
    if (file.failure === undefined && file.bytes > 0) return this.keep(tenant, file, mediaType);
    await this.place.discard(file);
    throw file.failure === undefined ? emptyBlob() : cutOff(file.failure);
  }

  /**
   * Makes a received file a blob: the file first, then the row, so that a row never lacks its file.
   *
   * @param uploadId whose bytes were claimed when it began, and which becomes this blob.
   * @throws Problem blob-quota-exceeded
   */
  async keep(tenant: Tenant, file: ReceivedFile, mediaType: string, uploadId?: string): Promise<BlobRow> {
    try {
      const limit = uploadId === undefined ? await this.quota.limitOf(tenant) : undefined;
      return await this.database.transaction(tenant, async (transaction) => {
        await lock(transaction, tenant, file.sha256);
        const known = await find(transaction, tenant, file.sha256);
        if (!known) await this.quota.claim(transaction, tenant, { blobBytes: file.bytes }, limit);
        if (!(await this.place.has(tenant, file.sha256))) await this.place.keep(tenant, file);
        if (uploadId !== undefined) await transaction.update(UploadRow, { tenantId: tenant.id, id: uploadId }, { blobId: file.sha256 });
        if (known) return known;
        await insertOnce(transaction, transaction.create(BlobRow, { tenantId: tenant.id, id: file.sha256, bytes: file.bytes, mediaType }));
        return (await find(transaction, tenant, file.sha256))!;
      });
    } finally {
      await this.place.discard(file);
    }
  }

  /** @throws Problem blob-not-found, for another tenant's blob too. */
  async get(tenant: Tenant, id: string): Promise<BlobRow> {
    const blob = await this.database.transaction(tenant, (transaction) => find(transaction, tenant, id));
    if (!blob) throw blobNotFound(id);
    return blob;
  }

  /** @param blob a row that `get` gave: without one there is no way to the bytes. */
  read({ tenantId, id }: BlobRow, range?: ByteRange): Promise<Readable> {
    return this.place.read({ id: tenantId }, id, range);
  }

  async delete(tenant: Tenant, id: string): Promise<void> {
    await this.database.transaction(tenant, async (transaction) => {
      const [[deleted]]: [{ bytes: string }[], number] = await transaction.query('delete from gateway.blob where tenant_id = $1 and id = $2 returning bytes', [tenant.id, id]);
      if (!deleted) throw blobNotFound(id);
      await this.quota.claim(transaction, tenant, { blobBytes: -Number(deleted.bytes) });
    });
    await this.removeIfNobodys(tenant, id);
  }

  /** Removes a file without a row. Under the lock, so that nobody gives it a row meanwhile. */
  async removeIfNobodys(tenant: Tenant, id: string): Promise<void> {
    await this.database.transaction(tenant, async (transaction) => {
      await lock(transaction, tenant, id);
      if (!(await find(transaction, tenant, id))) await this.place.remove(tenant, id);
    });
  }
}

function find(transaction: EntityManager, tenant: Tenant, id: string): Promise<BlobRow | null> {
  return transaction.findOneBy(BlobRow, { tenantId: tenant.id, id });
}

/** Until the commit nobody else gives or takes this blob, in any process. */
async function lock(transaction: EntityManager, tenant: Tenant, id: string): Promise<void> {
  await transaction.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`blob ${tenant.id} ${id}`]);
}
