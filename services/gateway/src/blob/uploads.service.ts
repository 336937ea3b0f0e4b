import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import { BlobRow, UploadRow } from './blob.entity.ts';
import { contentDiffers, cutOff, offsetDiffers, tooLarge, tooManyParts, uploadNotFound } from './blob.errors.ts';
import { BlobStore, type IncomingBytes, type ReceivedFile } from './blob-store.ts';
import { BlobQuota } from './blob-quota.service.ts';
import { Blobs } from './blobs.service.ts';

const lifetimeMs = 24 * 3_600_000;
const maximumParts = 10_000;

export interface NewUpload {
  readonly bytes: number;
  readonly mediaType: string;
  /** What the whole must be, in hexadecimal. */
  readonly sha256?: string;
}

export interface Upload {
  readonly row: UploadRow;
  /** Once it is whole, unless it was deleted since. */
  readonly blob?: BlobRow;
}

/**
 * Uploads that survive broken connections and killed processes: every request's bytes are a file of their own, which
 * counts once it is durable and the row names it. Of two requests for the same offset the first to end is kept.
 */
@Injectable()
export class Uploads {
  constructor(
    private readonly database: Database,
    private readonly place: BlobStore,
    private readonly blobs: Blobs,
    private readonly quota: BlobQuota,
  ) {}

  async create(tenant: Tenant, { bytes, mediaType, sha256 }: NewUpload, now = new Date()): Promise<Upload> {
    if (bytes > this.blobs.limits.maximumBytes) throw tooLarge(this.blobs.limits.maximumBytes);
    const id = randomBytes(16).toString('hex');
    const limit = await this.quota.limitOf(tenant);
    await this.database.transaction(tenant, async (transaction) => {
      await this.quota.claim(transaction, tenant, { uploadBytes: bytes }, limit);
      await transaction.insert(UploadRow, { tenantId: tenant.id, id, bytes, mediaType, sha256: sha256 ?? null, expiresAt: new Date(now.getTime() + lifetimeMs) });
    });
    return this.get(tenant, id, now);
  }

  /** @throws Problem upload-not-found, for one that has expired and for another tenant's too. */
  async get(tenant: Tenant, id: string, now = new Date()): Promise<Upload> {
    return this.database.transaction(tenant, async (transaction) => {
      const row = await transaction.findOneBy(UploadRow, { tenantId: tenant.id, id });
      if (!row || row.expiresAt <= now) throw uploadNotFound(id);
      const blob = row.blobId === null ? null : await transaction.findOneBy(BlobRow, { tenantId: tenant.id, id: row.blobId });
      return { row, ...(blob ? { blob } : {}) };
    });
  }

  /**
   * Adds bytes at `offset`, and makes the blob when they were the last. Of a source that breaks it keeps what came.
   *
   * @throws Problem upload-offset-differs when the upload goes on elsewhere, body-too-large beyond its announced size.
   */
  async append(tenant: Tenant, id: string, offset: number, incoming: IncomingBytes): Promise<Upload> {
    const { row } = await this.get(tenant, id);
    if (row.received !== offset) throw offsetDiffers(row.received, offset);
    if (row.parts.length >= maximumParts) throw tooManyParts(maximumParts);

    const file = await this.place.receive(tenant, incoming, row.bytes - offset);
    if (file.bytes === 0) await this.place.discard(file);
    else await this.addPart(tenant, id, offset, file);
    if (file.failure !== undefined) throw cutOff(file.failure);

    const upload = await this.get(tenant, id);
    return upload.row.received === upload.row.bytes && upload.row.blobId === null ? this.finish(tenant, upload.row) : upload;
  }

  async delete(tenant: Tenant, id: string): Promise<void> {
    const { row } = await this.get(tenant, id);
    await this.database.transaction(tenant, (transaction) => transaction.delete(UploadRow, { tenantId: tenant.id, id }));
    await this.discardParts(tenant, row);
  }

  private async addPart(tenant: Tenant, id: string, offset: number, file: ReceivedFile): Promise<void> {
    const name = await this.place.keepPart(tenant, file);
    const [, added] = await this.database.transaction(tenant, (transaction) =>
      transaction.query<[unknown[], number]>(
        `update gateway.upload set parts = parts || $4::text, received = received + $5 where tenant_id = $1 and id = $2 and received = $3`,
        [tenant.id, id, offset, name, file.bytes],
      ),
    );
    if (added === 1) return;
    await this.place.removePart(tenant, name);
    const { row } = await this.get(tenant, id);
    throw offsetDiffers(row.received, offset);
  }

  /** Joins the parts. Whoever does it again, after a crash or beside another, makes the same blob. */
  private async finish(tenant: Tenant, row: UploadRow): Promise<Upload> {
    const file = await this.place.receive(tenant, { source: this.joined(tenant, row) }, row.bytes);
    if (file.failure !== undefined) {
      await this.place.discard(file);
      const { row: now, blob } = await this.get(tenant, row.id);
      if (blob) return { row: now, blob }; // another request was faster and the parts are gone
      throw file.failure;
    }
    if (row.sha256 !== null && row.sha256 !== file.sha256) {
      await this.place.discard(file);
      await this.delete(tenant, row.id);
      throw contentDiffers(row.sha256, file.sha256);
    }
    await this.blobs.keep(tenant, file, row.mediaType, row.id);
    await this.discardParts(tenant, row);
    return this.get(tenant, row.id);
  }

  private async *joined(tenant: Tenant, { parts }: UploadRow): AsyncIterable<Uint8Array> {
    for (const name of parts) yield* await this.place.readPart(tenant, name) as AsyncIterable<Uint8Array>;
  }

  private async discardParts(tenant: Tenant, { parts }: UploadRow): Promise<void> {
    for (const name of parts) await this.place.removePart(tenant, name);
  }
}
