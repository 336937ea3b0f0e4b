import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { lockCollection, nextPosition } from '../collection/log-position.ts';
import type { Space } from '../collection/spaces.ts';
import { otherVersion, withOther } from '../collection/versions.ts';
import { kindSet } from '../index/kind-set.ts';
import { type ItemPart, itemParts } from '../item/item-parts.ts';
import { changeSpace } from './collection-spaces.ts';
import { versionWasDropped } from './model-version.errors.ts';

/** The version that an operation builds. */
export interface ShadowVersion {
  readonly tenant: Tenant;
  readonly collection: string;
  readonly space: string;
  readonly modelVersion: string;
  readonly operationId: string;
}

/** A stored item, with the parts that it lacks in the version. */
export interface UnbuiltItem {
  readonly id: string;
  /** Of the whole item: while it stays, so do the parts. */
  readonly contentHash: string;
  readonly parts: readonly ItemPart[];
  /** SHA-256 of its pictures. */
  readonly pictures: readonly string[];
}

/** A part that has its vector. */
export interface BuiltPart {
  readonly item: UnbuiltItem;
  readonly part: ItemPart;
  readonly vector: Float32Array;
}

interface ItemRow {
  id: string;
  content_hash: string;
  title: string;
  body: string;
  images: { sha256: string; ocrText: string }[];
  present: string[];
}

/** The rows of a version that is being built: read from the stored items, written beside the active version's. */
@Injectable()
export class Shadow {
  constructor(private readonly database: Database) {}

  /** The next items by id, at most `limit`. */
  async itemsAfter({ tenant, collection, modelVersion }: ShadowVersion, space: Space, after: string, limit: number): Promise<UnbuiltItem[]> {
    const rows = await this.database.transaction(tenant, (transaction) =>
      transaction.query<ItemRow[]>(
        `select id, content_hash, title, body,
           (select coalesce(json_agg(json_build_object('sha256', sha256, 'ocrText', ocr_text) order by part), '[]') from retrieval.item_image m
            where m.tenant_id = $1 and m.collection = $2 and m.item_id = i.id) as images,
           (select coalesce(json_agg(kinds || ' ' || part), '[]') from retrieval.item_vector v
            where v.tenant_id = $1 and v.collection = $2 and v.item_id = i.id and v.space = $3 and v.model_version = $4) as present
         from retrieval.item i where tenant_id = $1 and collection = $2 and id > $5 order by id limit $6`,
        [tenant.id, collection, space.name, modelVersion, after, limit],
      ),
    );
    return rows.map(({ id, content_hash: contentHash, title, body, images, present }) => {
      const parts = itemParts({ title, body, images, vectors: [] }, [{ ...space, modelVersion, others: [] }]);
      return { id, contentHash, parts: parts.filter(({ kinds, part }) => !present.includes(`${kindSet(kinds)} ${part}`)), pictures: images.map(({ sha256 }) => sha256) };
    });
  }

  async countItems({ tenant, collection }: ShadowVersion): Promise<number> {
    const [{ count }] = await this.database.transaction(tenant, (transaction) =>
      transaction.query<[{ count: number }]>('select count(*)::integer as count from retrieval.item where tenant_id = $1 and collection = $2', [tenant.id, collection]),
    );
    return count;
  }

  /** Files of pictures by their SHA-256; one that was written before pictures were kept is not there. */
  async pictures({ tenant }: ShadowVersion, hashes: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const rows = await this.database.transaction(tenant, (transaction) =>
      transaction.query<{ sha256: string; file: Buffer }[]>('select sha256, file from retrieval.picture where tenant_id = $1 and sha256 = any($2)', [tenant.id, hashes]),
    );
    return new Map(rows.map(({ sha256, file }) => [sha256, file]));
  }

  /**
   * Writes vectors of items that are as they were read; others were written since, with this version. The items get a new
   * position, so that every index reads them again: there is no second way into an index.
   *
   * @throws Problem model-version-conflict when the version was dropped.
   */
  async store(transaction: EntityManager, version: ShadowVersion, built: readonly BuiltPart[]): Promise<void> {
    const { tenant, collection, space, modelVersion } = version;
    if (built.length === 0) return;
    refuseDropped(await lockCollection(transaction, tenant, collection), version);
    const position = await nextPosition(transaction, tenant, collection);
    await transaction.query(
      `with given as (
         select * from unnest($5::text[], $6::text[], $7::smallint[], $8::integer[], $9::bytea[], $10::bytea[])
           as given(item_id, item_hash, kinds, part, content_hash, vector)
       ), written as (
         insert into retrieval.item_vector (tenant_id, collection, item_id, space, kinds, part, model_version, content_hash, is_own, vector)
         select $1, $2, item_id, $3, kinds, part, $4, given.content_hash, false, vector from given
         join retrieval.item i on i.tenant_id = $1 and i.collection = $2 and i.id = item_id and i.content_hash = item_hash
         on conflict do nothing returning item_id
       )
       update retrieval.item set position = $11 where tenant_id = $1 and collection = $2 and id in (select item_id from written)`,
      [
        tenant.id,
        collection,
        space,
        modelVersion,
        built.map(({ item }) => item.id),
        built.map(({ item }) => item.contentHash),
        built.map(({ part }) => kindSet(part.kinds)),
        built.map(({ part }) => part.part),
        built.map(({ part }) => Buffer.from(part.contentHash, 'hex')),
        built.map(({ vector }) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)),
        position,
      ],
    );
  }

  /** Makes the version a standby. */
  async complete(transaction: EntityManager, version: ShadowVersion): Promise<void> {
    const { tenant, collection, modelVersion } = version;
    const space = refuseDropped(await lockCollection(transaction, tenant, collection), version);
    await changeSpace(transaction, tenant, collection, withOther(space, { ...otherVersion(space, modelVersion)!, state: 'standby' }));
  }

  /** Items that have vectors in another version and none in this one: their callers brought them, or a picture was not kept. */
  async countMissing({ tenant, collection, space, modelVersion }: ShadowVersion, other: string): Promise<number> {
    const [{ count }] = await this.database.transaction(tenant, (transaction) =>
      transaction.query<[{ count: number }]>(
        `select count(distinct item_id)::integer as count from retrieval.item_vector a
         where tenant_id = $1 and collection = $2 and space = $3 and model_version = $4 and not exists (
           select from retrieval.item_vector b
           where b.tenant_id = $1 and b.collection = $2 and b.item_id = a.item_id and b.space = $3 and b.model_version = $5)`,
        [tenant.id, collection, space, other, modelVersion],
      ),
    );
    return count;
  }

  /** Some items that have vectors in the version, drawn by the seed. */
  async sample({ tenant, collection, space, modelVersion }: ShadowVersion, size: number, seed: number): Promise<string[]> {
    const rows = await this.database.transaction(tenant, (transaction) =>
      transaction.query<{ item_id: string }[]>(
        `select item_id from (
           select distinct item_id from retrieval.item_vector where tenant_id = $1 and collection = $2 and space = $3 and model_version = $4
         ) as built order by md5(item_id || ' ' || $5::text), item_id limit $6`,
        [tenant.id, collection, space, modelVersion, seed, size],
      ),
    );
    return rows.map(({ item_id }) => item_id);
  }
}

function refuseDropped(spaces: readonly Space[], { space: name, modelVersion, operationId }: ShadowVersion): Space {
  const space = spaces.find((one) => one.name === name);
  if (!space || otherVersion(space, modelVersion)?.operationId !== operationId) throw versionWasDropped(modelVersion);
  return space;
}
