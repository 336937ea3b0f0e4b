import { Injectable } from '@nestjs/common';
import { ItemDeletedSchema, ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { Outbox } from '@touchstone/messaging';
import { Database } from '@touchstone/persistence';
import type { Once } from '@touchstone/runtime/once';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type EntityManager, In } from 'typeorm';
import { Collection } from '../collection/collection.entity.ts';
import { collectionNotFound } from '../collection/collection.errors.ts';
import { lockCollection, nextPosition } from '../collection/log-position.ts';
import { Folding, type WrittenContent } from '../duplicate/folding.service.ts';
import { CollectionViews } from '../search/collection-views.service.ts';
import type { ItemContent } from './item-content.ts';
import { Item, ItemImage, ItemVector } from './item.entity.ts';
import { itemNotFound } from './item.errors.ts';
import { countAdded, countDeleted } from './item-quota.ts';
import { ItemPreparation, type PreparedItem, type PreparedWrite } from './item-preparation.service.ts';
import { inKeptVersions, untilVersionsStay } from './prepared-versions.ts';
import { StoredItems } from './stored-items.service.ts';

export interface Written {
  readonly upserted: number;
  readonly unchanged: number;
  /** Position of the write in the log of the collection. */
  readonly position: number;
}

/** An item as it is stored, without its vectors. */
export interface ShownItem {
  readonly item: Item;
  readonly images: readonly ItemImage[];
  readonly parts: readonly Omit<ItemVector, 'vector'>[];
}

@Injectable()
export class Items {
  constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    private readonly preparation: ItemPreparation,
    private readonly stored: StoredItems,
    private readonly folding: Folding,
    private readonly views: CollectionViews,
  ) {}

  /**
   * Writes items, all or none. They are durable and found by the next search when it returns. Items that equal what is
   * stored stay untouched, so a repeated call changes nothing and emits nothing.
   */
  async upsert(tenant: Tenant, name: string, contents: readonly ItemContent[], signal: AbortSignal, once?: Once<Written>): Promise<Written> {
    const written = await untilVersionsStay(async () => {
      const prepared = await this.preparation.prepare(tenant, name, contents, signal);
      const { changed, unchanged } = prepared;
      const write = async (transaction: EntityManager): Promise<Written> => ({ upserted: changed.length, unchanged, position: await this.store(transaction, tenant, name, prepared) });
      return changed.length === 0 && !once ? { upserted: 0, unchanged, position: prepared.position } : this.database.transaction(tenant, write, once);
    });
    await this.views.bring(tenant, name, written.position, signal);
    return written;
  }

  /**
   * The second half of a write, in a transaction of the caller's. No model is called in it.
   *
   * @returns the position of the write.
   * @throws VersionsChanged when the write must be prepared again.
   * @throws Problem item-quota-exceeded, with a pointer as `prepare` has them.
   */
  async store(transaction: EntityManager, tenant: Tenant, collection: string, prepared: PreparedWrite): Promise<number> {
    if (prepared.changed.length === 0) return prepared.position;
    const changed = inKeptVersions(prepared, await lockCollection(transaction, tenant, collection));
    const position = await this.position(transaction, tenant, collection, changed.map(writtenContent));
    // The collection's row is locked, so what stands here cannot change before the commit.
    const { hashes, pictures } = await this.stored.replace(transaction, tenant, collection, position, changed);
    await countAdded(transaction, tenant, collection, changed.filter(({ content: { id } }) => !hashes.has(id)).map(({ pointer }) => pointer));
    const events = changed.map(({ content: { id }, images }) => ({
      key: `${collection}/${id}`,
      message: { collection, itemId: id, position, isNew: !hashes.has(id), images: images.length, imagesBefore: pictures.get(id)?.length ?? 0 },
    }));
    await this.outbox.addAll(transaction, tenant, ItemUpsertedSchema, events);
    return position;
  }

  async get(tenant: Tenant, name: string, id: string): Promise<ShownItem> {
    return this.database.transaction(tenant, async (transaction) => {
      if (!(await transaction.existsBy(Collection, { tenantId: tenant.id, name }))) throw collectionNotFound(name);
      const [shown] = await shownItems(transaction, tenant, name, [id]);
      if (!shown) throw itemNotFound(name, id);
      return shown;
    });
  }

  /** Those of the items that are there, in no order. */
  async list(tenant: Tenant, name: string, ids: readonly string[]): Promise<ShownItem[]> {
    return this.database.transaction(tenant, (transaction) => shownItems(transaction, tenant, name, ids));
  }

  /** Deletes an item. No search finds it when this returns. */
  async delete(tenant: Tenant, name: string, id: string, signal: AbortSignal, once?: Once<number>): Promise<number> {
    const position = await this.database.transaction(tenant, (transaction) => this.remove(transaction, tenant, name, id), once);
    await this.views.bring(tenant, name, position, signal);
    return position;
  }

  /** Deletes an item in a transaction of the caller's. @returns the position of the delete. @throws Problem item-not-found */
  async remove(transaction: EntityManager, tenant: Tenant, name: string, id: string): Promise<number> {
    const position = await this.position(transaction, tenant, name, [{ id }]);
    const pictures = await this.stored.delete(transaction, tenant, name, position, id);
    if (!pictures) throw itemNotFound(name, id);
    await countDeleted(transaction, tenant, name, 1);
    await this.outbox.add(transaction, tenant, ItemDeletedSchema, {
      key: `${name}/${id}`,
      message: { collection: name, itemId: id, position, imagesBefore: pictures.length },
    });
    return position;
  }

  /** Locks the collection, and takes the write's position after what its items leave behind as duplicates. */
  private async position(transaction: EntityManager, tenant: Tenant, collection: string, written: readonly WrittenContent[]): Promise<number> {
    const position = await nextPosition(transaction, tenant, collection);
    const hasForgotten = await this.folding.forget(transaction, tenant, collection, written);
    return hasForgotten ? nextPosition(transaction, tenant, collection) : position;
  }
}

/** One query for each table, however many items. */
async function shownItems(transaction: EntityManager, tenant: Tenant, collection: string, ids: readonly string[]): Promise<ShownItem[]> {
  const owner = { tenantId: tenant.id, collection };
  const items = await transaction.findBy(Item, { ...owner, id: In(ids) });
  const where = { ...owner, itemId: In(ids) };
  const images = await transaction.find(ItemImage, { where, order: { part: 'asc' } });
  const select = { itemId: true, space: true, kinds: true, part: true, modelVersion: true, isOwn: true };
  const parts = await transaction.find(ItemVector, { where, select, order: { space: 'asc', modelVersion: 'asc', kinds: 'asc', part: 'asc' } });
  const [imagesOf, partsOf] = [Map.groupBy(images, ({ itemId }) => itemId), Map.groupBy(parts, ({ itemId }) => itemId)];
  return items.map((item) => ({ item, images: imagesOf.get(item.id) ?? [], parts: partsOf.get(item.id) ?? [] }));
}

const writtenContent = ({ content: { id }, parts, images }: PreparedItem): WrittenContent => ({
  id,
  contentHashes: [...parts.map(({ contentHash }) => contentHash), ...images.map(({ sha256 }) => sha256)],
});
