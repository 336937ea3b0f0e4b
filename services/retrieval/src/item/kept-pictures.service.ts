import { Injectable } from '@nestjs/common';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';

/** A picture to keep. */
export interface KeptPicture {
  readonly sha256: string;
  readonly file: Uint8Array;
}

/**
 * The files of pictures, each once for a tenant however many of its items show it, and no longer than one does.
 *
 * Who takes pictures away holds the tenant's lock on them alone, who adds some shares it: nobody can refer to a picture
 * while another finds that nobody does. The lock comes after that of the collection and ends with the transaction.
 */
@Injectable()
export class KeptPictures {
  /** Before rows of `item_image` change. */
  async lock(transaction: EntityManager, tenant: Tenant, { isTakingAway }: { isTakingAway: boolean }): Promise<void> {
    await transaction.query(`select pg_advisory_xact_lock${isTakingAway ? '' : '_shared'}(hashtextextended('retrieval.picture/' || $1, 0))`, [tenant.id]);
  }

  /** Keeps those that are not there. Needs the lock. */
  async keep(transaction: EntityManager, tenant: Tenant, pictures: readonly KeptPicture[]): Promise<void> {
    const wanted = new Map(pictures.map((picture) => [picture.sha256, picture]));
    const present = await transaction.query<{ sha256: string }[]>('select sha256 from retrieval.picture where tenant_id = $1 and sha256 = any($2)', [tenant.id, [...wanted.keys()]]);
    for (const { sha256 } of present) wanted.delete(sha256);
    // In the order of their names: two writers of the same pictures wait for each other in one direction only.
    for (const sha256 of [...wanted.keys()].sort()) {
      await transaction.query('insert into retrieval.picture (tenant_id, sha256, file) values ($1, $2, $3) on conflict do nothing', [tenant.id, sha256, wanted.get(sha256)!.file]);
    }
  }

  /** Takes away those of the named ones that no item shows any more. Needs the lock alone. */
  async takeAway(transaction: EntityManager, tenant: Tenant, hashes: readonly string[]): Promise<void> {
    await transaction.query(
      `delete from retrieval.picture p where tenant_id = $1 and sha256 = any($2)
       and not exists (select from retrieval.item_image i where i.tenant_id = p.tenant_id and i.sha256 = p.sha256)`,
      [tenant.id, [...new Set(hashes)]],
    );
  }
}
