import { Injectable } from '@nestjs/common';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type EntityManager, In } from 'typeorm';
import { kindSet } from '../index/kind-set.ts';
import type { Kind } from '../index/vector-index.ts';
import type { ItemContent } from './item-content.ts';
import { Item, ItemImage, ItemTombstone } from './item.entity.ts';
import { KeptPictures } from './kept-pictures.service.ts';

export interface StoredPicture {
  readonly sha256: string;
  readonly bytes: number;
  readonly ocrText: string;
  readonly file: Uint8Array;
}

/** A vector of an item, and what it was made of. */
export interface StoredPart {
  readonly space: string;
  readonly modelVersion: string;
  readonly kinds: readonly Kind[];
  readonly part: number;
  /** SHA-256 in hexadecimal of what was embedded, or of the vector that the caller brought. */
  readonly contentHash: string;
  /** Whether the caller brought the vector. */
  readonly isOwn: boolean;
  readonly vector: Float32Array;
}

export interface StoredItem {
  readonly content: ItemContent;
  readonly hash: string;
  readonly images: readonly StoredPicture[];
  readonly parts: readonly StoredPart[];
}

/** What items were before they were written. */
export interface ItemsBefore {
  /** Hashes of the content of those that were there. */
  readonly hashes: ReadonlyMap<string, string>;
  /** SHA-256 of their pictures, in no order. */
  readonly pictures: ReadonlyMap<string, readonly string[]>;
}

/** The rows of items: of their pictures, vectors and tombstones too. Writers hold the lock of the collection. */
@Injectable()
export class StoredItems {
  constructor(private readonly pictures: KeptPictures) {}

  /** Hashes of the content of those items that are there. */
  async hashes(transaction: EntityManager, tenant: Tenant, collection: string, ids: readonly string[]): Promise<Map<string, string>> {
    const rows = await transaction.query<{ id: string; content_hash: string }[]>(
      'select id, content_hash from retrieval.item where tenant_id = $1 and collection = $2 and id = any($3)',
      [tenant.id, collection, ids],
    );
    return new Map(rows.map(({ id, content_hash }) => [id, content_hash]));
  }

  /** Vectors of these items that the platform made of content with one of these hashes. */
  async vectors(transaction: EntityManager, tenant: Tenant, collection: string, ids: readonly string[], contentHashes: readonly string[]) {
    const rows = await transaction.query<{ item_id: string; space: string; model_version: string; content_hash: Buffer; vector: Buffer }[]>(
      `select item_id, space, model_version, content_hash, vector from retrieval.item_vector
       where tenant_id = $1 and collection = $2 and item_id = any($3) and content_hash = any($4) and not is_own`,
      [tenant.id, collection, ids, contentHashes.map((hash) => Buffer.from(hash, 'hex'))],
    );
    return rows.map(({ item_id, space, model_version, content_hash, vector }) => ({
      itemId: item_id,
      space,
      modelVersion: model_version,
      contentHash: content_hash.toString('hex'),
      vector: new Float32Array(new Uint8Array(vector).buffer),
    }));
  }

  /** Writes the items as they are now, whatever was there. */
  async replace(transaction: EntityManager, tenant: Tenant, collection: string, position: number, items: readonly StoredItem[]): Promise<ItemsBefore> {
    const owner = { tenantId: tenant.id, collection };
    const ids = items.map(({ content }) => content.id);
    const hashes = await this.hashes(transaction, tenant, collection, ids);
    const there = [...hashes.keys()];
    const pictures = there.length > 0 ? await this.picturesOf(transaction, tenant, collection, there) : new Map<string, string[]>();
    const shown = new Set(items.flatMap(({ images }) => images.map(({ sha256 }) => sha256)));
    const gone = [...pictures.values()].flat().filter((sha256) => !shown.has(sha256));

    if (shown.size + gone.length > 0) await this.pictures.lock(transaction, tenant, { isTakingAway: gone.length > 0 });
    if (shown.size > 0) await this.pictures.keep(transaction, tenant, items.flatMap(({ images }) => images));
    if (there.length > 0) await forget(transaction, tenant, collection, there);
    if (there.length < ids.length) await transaction.query('delete from retrieval.item_tombstone where tenant_id = $1 and collection = $2 and item_id = any($3)', [tenant.id, collection, ids]);
    await insertItems(transaction, tenant, collection, position, items);
    await insertVectors(transaction, tenant, collection, items);
    const images = items.flatMap(({ content, images }) => images.map(({ sha256, bytes, ocrText }, part) => ({ ...owner, itemId: content.id, part, sha256, bytes, ocrText })));
    if (images.length > 0) await transaction.insert(ItemImage, images);
    if (gone.length > 0) await this.pictures.takeAway(transaction, tenant, gone);
    return { hashes, pictures };
  }

  /** @returns the pictures that the item had; undefined when it was not there. */
  async delete(transaction: EntityManager, tenant: Tenant, collection: string, position: number, id: string): Promise<readonly string[] | undefined> {
    const pictures = (await this.picturesOf(transaction, tenant, collection, [id])).get(id) ?? [];
    if (pictures.length > 0) await this.pictures.lock(transaction, tenant, { isTakingAway: true });
    const { affected } = await transaction.delete(Item, { tenantId: tenant.id, collection, id });
    if (affected === 0) return undefined;
    if (pictures.length > 0) await this.pictures.takeAway(transaction, tenant, pictures);
    await transaction.insert(ItemTombstone, { tenantId: tenant.id, collection, itemId: id, position });
    return pictures;
  }

  private async picturesOf(transaction: EntityManager, tenant: Tenant, collection: string, ids: readonly string[]): Promise<Map<string, string[]>> {
    const images = await transaction.find(ItemImage, { where: { tenantId: tenant.id, collection, itemId: In([...ids]) }, select: { itemId: true, sha256: true } });
    return new Map([...Map.groupBy(images, ({ itemId }) => itemId)].map(([id, group]) => [id, group.map(({ sha256 }) => sha256)]));
  }
}

/** Takes away what is written anew. */
async function forget(transaction: EntityManager, tenant: Tenant, collection: string, ids: readonly string[]): Promise<void> {
  await transaction.query(
    `with vectors as (delete from retrieval.item_vector where tenant_id = $1 and collection = $2 and item_id = any($3))
     delete from retrieval.item_image where tenant_id = $1 and collection = $2 and item_id = any($3)`,
    [tenant.id, collection, ids],
  );
}

async function insertItems(transaction: EntityManager, tenant: Tenant, collection: string, position: number, items: readonly StoredItem[]): Promise<void> {
  await transaction.query(
    `insert into retrieval.item (tenant_id, collection, id, title, body, category, author, created_at, attributes, content_hash, position)
     select $1, $2, id, title, body, category, author,
       coalesce(created_at, (select stored_at from retrieval.item i where i.tenant_id = $1 and i.collection = $2 and i.id = given.id), now()), attributes, hash, $3
     from jsonb_to_recordset($4) as given(id text, title text, body text, category text, author text, created_at timestamptz, attributes jsonb, hash text)
     on conflict (tenant_id, collection, id) do update set
       title = excluded.title, body = excluded.body, category = excluded.category, author = excluded.author,
       created_at = excluded.created_at, attributes = excluded.attributes,
       content_hash = excluded.content_hash, position = excluded.position, updated_at = now()`,
    [
      tenant.id,
      collection,
      position,
      JSON.stringify(
        items.map(({ content: { id, title, body, category, author, createdAt, attributes }, hash }) => ({ id, title, body, category, author, created_at: createdAt, attributes, hash })),
      ),
    ],
  );
}

/** Vectors and hashes travel as the bytes that they are, one after the other: as elements of an array they would be text. */
async function insertVectors(transaction: EntityManager, tenant: Tenant, collection: string, items: readonly StoredItem[]): Promise<void> {
  const vectors = items.flatMap(({ content, parts }) => parts.map((part) => ({ itemId: content.id, ...part })));
  await transaction.query(
    `insert into retrieval.item_vector (tenant_id, collection, item_id, space, kinds, part, model_version, content_hash, is_own, vector)
     select $1, $2, item_id, space, kinds, part, model_version, substring($9::bytea from number::integer * 32 - 31 for 32), is_own, substring($10::bytea from first for bytes)
     from unnest($3::text[], $4::text[], $5::smallint[], $6::integer[], $7::text[], $8::boolean[], $11::integer[], $12::integer[])
       with ordinality as given (item_id, space, kinds, part, model_version, is_own, first, bytes, number)`,
    [
      tenant.id,
      collection,
      vectors.map(({ itemId }) => itemId),
      vectors.map(({ space }) => space),
      vectors.map(({ kinds }) => kindSet(kinds)),
      vectors.map(({ part }) => part),
      vectors.map(({ modelVersion }) => modelVersion),
      vectors.map(({ isOwn }) => isOwn),
      Buffer.from(vectors.map(({ contentHash }) => contentHash).join(''), 'hex'),
      Buffer.concat(vectors.map(({ vector }) => new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))),
      firstBytes(vectors),
      vectors.map(({ vector }) => vector.byteLength),
    ],
  );
}

/** Where each vector begins, counted from 1 as SQL does. */
function firstBytes(vectors: readonly { readonly vector: Float32Array }[]): number[] {
  let next = 1;
  return vectors.map(({ vector }) => (next += vector.byteLength) - vector.byteLength);
}
