import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type EntityManager, In } from 'typeorm';
import { BlobRow, UploadRow } from './blob.entity.ts';
import { blobNotFound, cutOff, emptyBlob } from './blob.errors.ts';
import { BLOB_LIMITS, type BlobLimits, BlobQuota } from './blob-quota.service.ts';
import { BlobStore, type ByteRange, type IncomingBytes, type ReceivedFile } from './blob-store.ts';

/** Bytes in memory that are to be a blob. */
export interface NewBlob {
  readonly data: Uint8Array;
  readonly mediaType: string;
  /** When it may be dropped; never when absent. */
  readonly expiresAt?: Date;
}

/** A received file that is to be a blob. */
interface NewFile {
  readonly file: ReceivedFile;
  readonly mediaType: string;
  readonly expiresAt?: Date;
}

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
   * Stores blobs of a service, all or none. One that is there stays as long as anybody who wrote it wants it.
   *
   * @throws Problem blob-quota-exceeded
   */
  async storeAll(tenant: Tenant, blobs: readonly NewBlob[]): Promise<BlobRow[]> {
    const received = await Promise.allSettled(
      blobs.map(async ({ data, ...facts }): Promise<NewFile> => ({ ...facts, file: await this.place.receive(tenant, { source: Readable.from([data]) }, this.limits.maximumBytes) })),
    );
    const files = received.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failed = received.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
    if (!failed) return this.keepAll(tenant, files);
    for (const { file } of files) await this.place.discard(file);
    throw failed.reason;
  }

  /**
   * Makes a received file a blob: the file first, then the row, so that a row never lacks its file.
   *
   * @param uploadId whose bytes were claimed when it began, and which becomes this blob.
   * @throws Problem blob-quota-exceeded
   */
  async keep(tenant: Tenant, file: ReceivedFile, mediaType: string, uploadId?: string): Promise<BlobRow> {
    return (await this.keepAll(tenant, [{ file, mediaType }], uploadId))[0];
  }

  private async keepAll(tenant: Tenant, files: readonly NewFile[], uploadId?: string): Promise<BlobRow[]> {
    try {
      const limit = uploadId === undefined ? await this.quota.limitOf(tenant) : undefined;
      const distinct = new Map<string, NewFile>();
      for (const each of files) distinct.set(each.file.sha256, longer(each, distinct.get(each.file.sha256)));
      return await this.database.transaction(tenant, async (transaction) => {
        const rows = new Map<string, BlobRow>();
        const ids = [...distinct.keys()];
        await lock(transaction, tenant, ids);
        for (const known of await transaction.find(BlobRow, { where: { tenantId: tenant.id, id: In(ids) }, lock: { mode: 'pessimistic_write' } })) {
          rows.set(known.id, await keptFor(transaction, known, distinct.get(known.id)!.expiresAt));
        }
        const added = [...distinct.values()].filter(({ file }) => !rows.has(file.sha256));
        if (added.length > 0) await this.quota.claim(transaction, tenant, { blobBytes: added.reduce((sum, { file }) => sum + file.bytes, 0) }, limit);
        await Promise.all([...distinct.values()].map(async ({ file }) => (await this.place.has(tenant, file.sha256)) || this.place.keep(tenant, file)));
        if (uploadId !== undefined) await transaction.update(UploadRow, { tenantId: tenant.id, id: uploadId }, { blobId: files[0].file.sha256 });
        const made = added.map(({ file, mediaType, expiresAt = null }) => transaction.create(BlobRow, { tenantId: tenant.id, id: file.sha256, bytes: file.bytes, mediaType, expiresAt }));
        if (made.length > 0) await transaction.insert(BlobRow, made);
        for (const row of made) rows.set(row.id, row);
        return files.map(({ file }) => rows.get(file.sha256)!);
      });
    } finally {
      for (const { file } of files) await this.place.discard(file);
    }
  }

  /** @throws Problem blob-not-found, for another tenant's blob and one that has expired too. */
  async get(tenant: Tenant, id: string, now = new Date()): Promise<BlobRow> {
    const blob = await this.database.transaction(tenant, (transaction) => find(transaction, tenant, id));
    if (!blob || (blob.expiresAt && blob.expiresAt <= now)) throw blobNotFound(id);
    return blob;
  }

  /** Those of the named blobs that are there, in no order. */
  async find(tenant: Tenant, ids: readonly string[], now = new Date()): Promise<BlobRow[]> {
    const rows = await this.database.transaction(tenant, (transaction) => transaction.findBy(BlobRow, { tenantId: tenant.id, id: In([...ids]) }));
    return rows.filter(({ expiresAt }) => !expiresAt || expiresAt > now);
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

  /** Deletes a blob whose time is over, unless somebody has written it again. */
  async drop(tenant: Tenant, id: string, now: Date): Promise<void> {
    await this.database.transaction(tenant, async (transaction) => {
      await lock(transaction, tenant, [id]);
      const [[dropped]]: [{ bytes: string }[], number] = await transaction.query('delete from gateway.blob where tenant_id = $1 and id = $2 and expires_at <= $3 returning bytes', [tenant.id, id, now]);
      if (dropped) await this.quota.claim(transaction, tenant, { blobBytes: -Number(dropped.bytes) });
    });
    await this.removeIfNobodys(tenant, id);
  }

  /** Removes a file without a row. Under the lock, so that nobody gives it a row meanwhile. */
  async removeIfNobodys(tenant: Tenant, id: string): Promise<void> {
    await this.database.transaction(tenant, async (transaction) => {
      await lock(transaction, tenant, [id]);
      if (!(await find(transaction, tenant, id))) await this.place.remove(tenant, id);
    });
  }
}

function find(transaction: EntityManager, tenant: Tenant, id: string): Promise<BlobRow | null> {
  return transaction.findOneBy(BlobRow, { tenantId: tenant.id, id });
}

/** @param expiresAt of who writes the same bytes now; the blob stays for the longer of both times. */
async function keptFor(transaction: EntityManager, blob: BlobRow, expiresAt: Date | undefined): Promise<BlobRow> {
  if (blob.expiresAt === null || (expiresAt && expiresAt <= blob.expiresAt)) return blob;
  await transaction.update(BlobRow, { tenantId: blob.tenantId, id: blob.id }, { expiresAt: expiresAt ?? null });
  return { ...blob, expiresAt: expiresAt ?? null };
}

/** Of the same bytes, those that stay longer. */
function longer(one: NewFile, other: NewFile | undefined): NewFile {
  return other && (!other.expiresAt || (one.expiresAt && one.expiresAt <= other.expiresAt)) ? other : one;
}

/** Until the commit nobody else gives or takes these blobs, in any process. In the order of their names: two callers wait in one direction only. */
async function lock(transaction: EntityManager, tenant: Tenant, ids: readonly string[]): Promise<void> {
  const names = ids.toSorted().map((id) => `blob ${tenant.id} ${id}`);
  await transaction.query(`select pg_advisory_xact_lock(hashtextextended(name, 0)) from unnest($1::text[]) as name`, [names]);
}
