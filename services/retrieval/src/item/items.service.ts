import type { JsonObject } from '@bufbuild/protobuf';
import { Injectable } from '@nestjs/common';
import { ItemDeletedSchema, ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { Outbox } from '@touchstone/messaging';
import { Database } from '@touchstone/persistence';
import type { Once } from '@touchstone/runtime/once';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type EntityManager, In } from 'typeorm';
import { Collection } from '../collection/collection.entity.ts';
import { collectionNotFound } from '../collection/collection.errors.ts';
import { CollectionViews } from '../search/collection-views.service.ts';
import { contentHash, sha256 } from './content-hash.ts';
import { type EmbeddableItem, ItemEmbedding, type PartVector } from './item-embedding.service.ts';
import { Item, ItemImage, ItemTombstone, ItemVector } from './item.entity.ts';
import { attributesTooLarge, duplicateId, itemNotFound, nothingToFind, refuseTooManyPictures } from './item.errors.ts';

const maximumAttributeBytes = 16_384;

/** An item as its writer gives it. */
export interface ItemContent extends EmbeddableItem {
  readonly id: string;
  readonly attributes: JsonObject;
}

export interface Written {
  readonly upserted: number;
  readonly unchanged: number;
  /** Position of the write in the log of the collection. */
  readonly position: number;
}

/** Items that are to be stored: those that differ from what is there, embedded, and how many do not. */
export interface PreparedWrite {
  readonly changed: readonly PreparedItem[];
  readonly unchanged: number;
  /** Of the collection before the write. */
  readonly position: number;
}

/** An item that is to be stored, with all that is derived from it. */
export interface PreparedItem {
  readonly content: ItemContent;
  readonly hash: string;
  readonly images: readonly { readonly sha256: string; readonly bytes: number }[];
  readonly pointer: string;
  readonly parts: readonly PartVector[];
}

@Injectable()
export class Items {
  constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    private readonly embedding: ItemEmbedding,
    private readonly views: CollectionViews,
  ) {}

  /**
   * Writes items, all or none. They are durable and found by the next search when it returns. Items that equal what is
   * stored stay untouched, so a repeated call changes nothing and emits nothing.
   */
  async upsert(tenant: Tenant, name: string, contents: readonly ItemContent[], signal: AbortSignal, once?: Once<Written>): Promise<Written> {
    const prepared = await this.prepare(tenant, name, contents, signal);
    const { changed, unchanged } = prepared;
    const write = async (transaction: EntityManager): Promise<Written> => ({ upserted: changed.length, unchanged, position: await this.store(transaction, tenant, name, prepared) });
    const written = changed.length === 0 && !once ? { upserted: 0, unchanged, position: prepared.position } : await this.database.transaction(tenant, write, once);
    await this.views.reach(tenant, name, written.position, signal);
    return written;
  }

  /**
   * The first half of a write, which may take seconds: finds what changed and embeds it.
   *
   * @throws Problem that points to the first item that cannot be taken, `/items/<index>…`.
   */
  async prepare(tenant: Tenant, name: string, contents: readonly ItemContent[], signal: AbortSignal): Promise<PreparedWrite> {
    refuseWrongBatch(contents);
    const { collection, stored } = await this.database.transaction(tenant, async (transaction) => ({
      collection: await findCollection(transaction, tenant, name),
      stored: await storedHashes(transaction, tenant, name, contents),
    }));
    const spaceNames = collection.spaces.map((space) => space.name);
    const prepared = contents.map((content, index) => prepare(content, index, spaceNames));
    const changed = prepared.filter(({ content, hash }) => stored.get(content.id) !== hash);
    const parts = await this.embedding.embedItems(changed.map(({ content }) => content), changed.map(({ pointer }) => pointer), collection.spaces, signal);
    return { changed: changed.map((item, index) => ({ ...item, parts: parts[index] })), unchanged: contents.length - changed.length, position: collection.position };
  }

  /** The second half, in a transaction of the caller's. No model is called in it. @returns the position of the write. */
  async store(transaction: EntityManager, tenant: Tenant, name: string, { changed, position: before }: PreparedWrite): Promise<number> {
    if (changed.length === 0) return before;
    const position = await nextPosition(transaction, tenant, name);
    await this.insert(transaction, tenant, name, position, changed);
    return position;
  }

  async get(tenant: Tenant, name: string, id: string): Promise<{ item: Item; images: ItemImage[] }> {
    return this.database.transaction(tenant, async (transaction) => {
      await findCollection(transaction, tenant, name);
      const item = await transaction.findOneBy(Item, { tenantId: tenant.id, collection: name, id });
      if (!item) throw itemNotFound(name, id);
      const images = await transaction.find(ItemImage, { where: { tenantId: tenant.id, collection: name, itemId: id }, order: { part: 'asc' } });
      return { item, images };
    });
  }

  /** Deletes an item. No search finds it when this returns. */
  async delete(tenant: Tenant, name: string, id: string, signal: AbortSignal, once?: Once<number>): Promise<number> {
    const position = await this.database.transaction(tenant, async (transaction) => {
      const position = await nextPosition(transaction, tenant, name);
      const [images] = await imageCounts(transaction, tenant, name, [id]);
      const { affected } = await transaction.delete(Item, { tenantId: tenant.id, collection: name, id });
      if (affected === 0) throw itemNotFound(name, id);
      await transaction.insert(ItemTombstone, { tenantId: tenant.id, collection: name, itemId: id, position });
      await this.outbox.add(transaction, tenant, ItemDeletedSchema, {
        key: `${name}/${id}`,
        message: { collection: name, itemId: id, position, imagesBefore: images?.count ?? 0 },
      });
      return position;
    }, once);
    await this.views.reach(tenant, name, position, signal);
    return position;
  }

  private async insert(transaction: EntityManager, tenant: Tenant, collection: string, position: number, items: readonly PreparedItem[]): Promise<void> {
    const owner = { tenantId: tenant.id, collection };
    const ids = items.map(({ content }) => content.id);
    // The collection's row is locked, so what stands here cannot change before the commit.
    const present = await storedHashes(transaction, tenant, collection, items.map(({ content }) => content));
    const imagesBefore = new Map((await imageCounts(transaction, tenant, collection, ids)).map(({ itemId, count }) => [itemId, count]));

    await transaction.delete(ItemVector, { ...owner, itemId: In(ids) });
    await transaction.delete(ItemImage, { ...owner, itemId: In(ids) });
    await transaction.delete(ItemTombstone, { ...owner, itemId: In(ids) });
    await transaction.query(
      `insert into retrieval.item (tenant_id, collection, id, title, body, attributes, content_hash, position)
       select $1, $2, id, title, body, attributes, hash, $3
       from jsonb_to_recordset($4) as given(id text, title text, body text, attributes jsonb, hash text)
       on conflict (tenant_id, collection, id) do update set
         title = excluded.title, body = excluded.body, attributes = excluded.attributes,
         content_hash = excluded.content_hash, position = excluded.position, updated_at = now()`,
      [
        tenant.id,
        collection,
        position,
        JSON.stringify(items.map(({ content: { id, title, body, attributes }, hash }) => ({ id, title, body, attributes, hash }))),
      ],
    );
    const vectors = items.flatMap(({ content, parts }) => parts.map((part) => ({ itemId: content.id, ...part })));
    await transaction.query(
      `insert into retrieval.item_vector (tenant_id, collection, item_id, space, part, model_version, vector)
       select $1, $2, * from unnest($3::text[], $4::text[], $5::integer[], $6::text[], $7::bytea[])`,
      [
        tenant.id,
        collection,
        vectors.map(({ itemId }) => itemId),
        vectors.map(({ space }) => space),
        vectors.map(({ part }) => part),
        vectors.map(({ modelVersion }) => modelVersion),
        vectors.map(({ vector }) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)),
      ],
    );
    const images = items.flatMap(({ content, images }) => images.map(({ sha256, bytes }, part) => ({ ...owner, itemId: content.id, part, sha256, bytes })));
    if (images.length > 0) await transaction.insert(ItemImage, images);

    await this.outbox.addAll(
      transaction,
      tenant,
      ItemUpsertedSchema,
      items.map(({ content: { id }, images }) => ({
        key: `${collection}/${id}`,
        message: { collection, itemId: id, position, isNew: !present.has(id), images: images.length, imagesBefore: imagesBefore.get(id) ?? 0 },
      })),
    );
  }
}

function refuseWrongBatch(contents: readonly ItemContent[]): void {
  const seen = new Map<string, number>();
  contents.forEach(({ id, attributes }, index) => {
    const first = seen.get(id);
    if (first !== undefined) throw duplicateId(id, first, index);
    seen.set(id, index);
    const bytes = Buffer.byteLength(JSON.stringify(attributes));
    if (bytes > maximumAttributeBytes) throw attributesTooLarge(index, bytes, maximumAttributeBytes);
  });
  refuseTooManyPictures(contents);
}

function prepare(content: ItemContent, index: number, spaces: readonly string[]): PreparedItem {
  const { vectors = {} } = content;
  const hasText = spaces.includes('text') && (ItemEmbedding.textOf(content) !== '' || Boolean(vectors.text));
  const hasPicture = spaces.includes('image') && (content.images.length > 0 || Boolean(vectors.image));
  if (!hasText && !hasPicture) throw nothingToFind(index, spaces);
  const images = content.images.map(({ file }) => ({ sha256: sha256(file), bytes: file.byteLength }));
  const vectorHashes = Object.entries(vectors).flatMap(([space, parts]) => parts.map((vector) => `${space} ${sha256(new Uint8Array(vector.buffer))}`));
  const hash = contentHash({ ...content, imageHashes: images.map((image) => image.sha256), vectorHashes });
  return { content, hash, images, pointer: `/items/${index}`, parts: [] };
}

async function findCollection(transaction: EntityManager, tenant: Tenant, name: string): Promise<Collection> {
  const collection = await transaction.findOneBy(Collection, { tenantId: tenant.id, name });
  if (!collection) throw collectionNotFound(name);
  return collection;
}

async function storedHashes(transaction: EntityManager, tenant: Tenant, collection: string, contents: readonly { id: string }[]): Promise<Map<string, string>> {
  const where = { tenantId: tenant.id, collection, id: In(contents.map(({ id }) => id)) };
  const items = await transaction.find(Item, { where, select: { id: true, contentHash: true } });
  return new Map(items.map(({ id, contentHash }) => [id, contentHash]));
}

async function imageCounts(transaction: EntityManager, tenant: Tenant, collection: string, ids: readonly string[]): Promise<{ itemId: string; count: number }[]> {
  return transaction
    .createQueryBuilder(ItemImage, 'image')
    .select('image.itemId', 'itemId')
    .addSelect('count(*)::int', 'count')
    .where({ tenantId: tenant.id, collection, itemId: In([...ids]) })
    .groupBy('image.itemId')
    .getRawMany();
}

/** Locks the collection until the commit and takes its next position. */
async function nextPosition(transaction: EntityManager, tenant: Tenant, name: string): Promise<number> {
  const [[row]] = await transaction.query<[{ position: string }[], number]>(
    'update retrieval.collection set position = position + 1 where tenant_id = $1 and name = $2 returning position',
    [tenant.id, name],
  );
  if (!row) throw collectionNotFound(name);
  return Number(row.position);
}
