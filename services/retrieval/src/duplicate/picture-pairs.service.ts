import { Inject, Injectable } from '@nestjs/common';
import { Problem, Reason } from '@touchstone/contracts';
import { hashDistance, ModelNotReady, type Models, type PerceptualHash, PictureRefused } from '@touchstone/models';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { PairSearch, type Square } from '../index/pair-search.ts';
import type { Scanner } from '../index/scanner.ts';
import { KeptPictures } from '../item/kept-pictures.service.ts';
import { SCANNER } from '../indexes.ts';
import { MODELS } from '../models.ts';
import { copyDistance, evidenceOf, type FoundEvidence, leastQuality } from './evidence.ts';

/** Pictures that are hashed between two checkpoints: at most 6 MB each. */
const hashedAtOnce = 8;
/** Hashes on a side of a job's square. */
const side = 2048;
const noHash: PerceptualHash = { hash: new Uint8Array(32), quality: 0 };

export interface HashedPicture extends PerceptualHash {
  readonly sha256: string;
}

interface PictureRow {
  item_id: string;
  part: number;
  sha256: string;
  hash: Buffer | null;
  quality: number | null;
}

/** Compares the pictures of a collection by their bytes and by PDQ. */
@Injectable()
export class PicturePairs {
  constructor(
    private readonly database: Database,
    private readonly pictures: KeptPictures,
    @Inject(MODELS) private readonly models: Models,
    @Inject(SCANNER) private readonly scanner: Scanner,
  ) {}

  /** Pictures of the collection that have no hash yet. */
  async unhashed(tenant: Tenant, collection: string): Promise<string[]> {
    const rows = await this.database.transaction(tenant, (transaction) =>
      transaction.query<{ sha256: string }[]>(
        `select distinct sha256 from retrieval.item_image i join retrieval.picture p using (tenant_id, sha256)
         where i.tenant_id = $1 and i.collection = $2 and not exists (
           select from retrieval.picture_hash h where h.tenant_id = $1 and h.sha256 = i.sha256) order by sha256`,
        [tenant.id, collection],
      ),
    );
    return rows.map(({ sha256 }) => sha256);
  }

  /** Hashes pictures, a few at a time. One that cannot be decoded has a hash that says nothing. @throws Problem model-not-ready */
  async *hashed(tenant: Tenant, wanted: readonly string[], signal: AbortSignal): AsyncIterable<HashedPicture[]> {
    for (let start = 0; start < wanted.length; start += hashedAtOnce) {
      const files = await this.database.transaction(tenant, (transaction) =>
        transaction.query<{ sha256: string; file: Buffer }[]>('select sha256, file from retrieval.picture where tenant_id = $1 and sha256 = any($2)', [tenant.id, wanted.slice(start, start + hashedAtOnce)]),
      );
      yield await Promise.all(files.map(async ({ sha256, file }) => ({ sha256, ...(await this.hash(file, signal)) })));
    }
  }

  /** Keeps hashes of pictures that are still there. */
  async keep(transaction: EntityManager, tenant: Tenant, hashed: readonly HashedPicture[]): Promise<void> {
    await this.pictures.lock(transaction, tenant, { isTakingAway: false });
    await transaction.query(
      `insert into retrieval.picture_hash (tenant_id, sha256, hash, quality)
       select tenant_id, sha256, hash, quality from unnest($2::text[], $3::bytea[], $4::smallint[]) as made (sha256, hash, quality)
       join retrieval.picture using (sha256) where tenant_id = $1 on conflict do nothing`,
      [tenant.id, hashed.map(({ sha256 }) => sha256), hashed.map(({ hash }) => Buffer.from(hash)), hashed.map(({ quality }) => quality)],
    );
  }

  /** All pairs of equal or nearly equal pictures of different items. @returns pictures that were compared. */
  async find(tenant: Tenant, collection: string, found: (evidence: FoundEvidence) => void, options: { signal: AbortSignal; room: () => Promise<void> }): Promise<number> {
    const rows = await this.database.transaction(tenant, (transaction) =>
      transaction.query<PictureRow[]>(
        `select item_id, part, sha256, hash, quality from retrieval.item_image left join retrieval.picture_hash using (tenant_id, sha256)
         where tenant_id = $1 and collection = $2 order by sha256, item_id, part`,
        [tenant.id, collection],
      ),
    );
    const files = [...Map.groupBy(rows, ({ sha256 }) => sha256).values()];
    for (const shown of files) {
      const { quality } = shown[0];
      const distance = says(shown[0]) ? 0 : undefined;
      for (let left = 0; left < shown.length; left++) {
        for (const other of shown.slice(left + 1)) offer(shown[left], other, { isSameFile: true, distance, quality: quality ?? 0 }, found);
        await options.room();
      }
    }
    const hashed = files.filter(([row]) => says(row));
    const search = PairSearch.ofHashes(this.scanner, Buffer.concat(hashed.map(([{ hash }]) => hash!)), copyDistance);
    try {
      await search.find(squares(hashed.length), (left, right) => {
        const [a, b] = [hashed[left], hashed[right]];
        const match = { isSameFile: false, distance: hashDistance(a[0].hash!, b[0].hash!), quality: Math.min(a[0].quality!, b[0].quality!) };
        for (const one of a) for (const other of b) offer(one, other, match, found);
      }, options);
    } finally {
      search.close();
    }
    return rows.length;
  }

  private async hash(file: Uint8Array, signal: AbortSignal): Promise<PerceptualHash> {
    try {
      return (await this.models.perceptualHashes([file], { signal }))[0];
    } catch (error) {
      if (error instanceof PictureRefused) return noHash;
      if (!(error instanceof ModelNotReady)) throw error;
      throw new Problem({ reason: Reason.MODEL_NOT_READY, detail: error.message, retryAfterSeconds: error.retryAfterSeconds }, { cause: error });
    }
  }
}

const says = ({ hash, quality }: PictureRow) => hash !== null && quality! > leastQuality;

function offer(one: PictureRow, other: PictureRow, match: { isSameFile: boolean; distance?: number; quality: number }, found: (evidence: FoundEvidence) => void): void {
  if (one.item_id === other.item_id) return;
  found(evidenceOf({ id: one.item_id, part: one.part }, { id: other.item_id, part: other.part }, (parts) => ({ of: 'picture', parts, ...match })));
}

function* squares(length: number): Generator<Square> {
  for (let leftFrom = 0; leftFrom < length; leftFrom += side) {
    for (let rightFrom = leftFrom; rightFrom < length; rightFrom += side) {
      yield { leftFrom, leftTo: Math.min(leftFrom + side, length), rightFrom, rightTo: Math.min(rightFrom + side, length) };
    }
  }
}
