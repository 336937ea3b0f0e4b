import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import { log } from '@touchstone/runtime/logging';
import type { Tenant } from '@touchstone/runtime/tenant';
import { In, LessThan, LessThanOrEqual } from 'typeorm';
import { BlobRow, UploadRow } from './blob.entity.ts';
import { BlobStore } from './blob-store.ts';
import { Blobs } from './blobs.service.ts';

const periodMs = 3_600_000;
/** A file that nobody wrote to for so long belongs to no request that still runs. */
const graceMs = 3_600_000;

/** Clears away blobs whose time is over, and what crashes and abandoned uploads leave: at start, then every hour, in every process of the gateway. */
@Injectable()
export class BlobSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly place: BlobStore,
    private readonly blobs: Blobs,
  ) {}

  onApplicationBootstrap(): void {
    const begin = () => {
      this.running = this.sweep(new Date()).catch((error: unknown) => log.warn({ err: error }, 'the blob folder was not swept; the next try is in an hour'));
    };
    begin();
    this.timer = setInterval(begin, periodMs).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** Drops expired uploads and blobs, then files that no row names. */
  async sweep(now: Date): Promise<void> {
    for (const tenant of await this.place.tenants()) {
      const { named, expired } = await this.database.transaction(tenant, async (transaction) => {
        await transaction.delete(UploadRow, { tenantId: tenant.id, expiresAt: LessThan(now) });
        const uploads = await transaction.findBy(UploadRow, { tenantId: tenant.id });
        const blobs = await transaction.find(BlobRow, { where: { tenantId: tenant.id, expiresAt: LessThanOrEqual(now) }, select: { id: true } });
        return { named: new Set(uploads.flatMap(({ parts }) => parts)), expired: blobs.map(({ id }) => id) };
      });
      const { blobs, parts } = await this.place.old(tenant, new Date(now.getTime() - graceMs));
      for (const id of expired) await this.blobs.drop(tenant, id, now);
      for (const name of parts) if (!named.has(name)) await this.place.removePart(tenant, name);
      for (let at = 0; at < blobs.length; at += 1_000) await this.removeOrphans(tenant, blobs.slice(at, at + 1_000));
    }
  }

  private async removeOrphans(tenant: Tenant, ids: readonly string[]): Promise<void> {
    const rows = await this.database.transaction(tenant, (transaction) => transaction.findBy(BlobRow, { tenantId: tenant.id, id: In([...ids]) }));
    const known = new Set(rows.map(({ id }) => id));
    for (const id of ids) if (!known.has(id)) await this.blobs.removeIfNobodys(tenant, id);
  }
}
