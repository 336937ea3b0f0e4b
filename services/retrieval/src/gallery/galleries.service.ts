import { Injectable } from '@nestjs/common';
import { type Page, pageOf, placeAt } from '@touchstone/contracts';
import { Database } from '@touchstone/persistence';
import type { Once } from '@touchstone/runtime/once';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type EntityManager, In, MoreThan, Not } from 'typeorm';
import { Collection } from '../collection/collection.entity.ts';
import { Gallery, GalleryMatch, GalleryWatch } from './gallery.entity.ts';
import { galleryNotFound, nothingInCommon, thresholdTwice, watchedCollectionNotFound } from './gallery.errors.ts';
import { sharedSpaces } from './shared-spaces.ts';
import type { Threshold } from './threshold.ts';

export interface GallerySettings {
  readonly policy: string;
  readonly referenceCollection: string;
  readonly watches: readonly string[];
  readonly thresholds: readonly Threshold[];
}

export interface WatchedGallery {
  readonly gallery: Gallery;
  /** By collection; with the position of the collection's last write. */
  readonly watches: readonly { readonly collection: string; readonly position: number; readonly latestPosition: number }[];
}

@Injectable()
export class Galleries {
  constructor(private readonly database: Database) {}

  /** Creates or changes a gallery. With other references, thresholds or policy everything is matched again. */
  async put(tenant: Tenant, name: string, settings: GallerySettings, once?: Once<WatchedGallery>): Promise<WatchedGallery> {
    refuseEqualThresholds(settings.thresholds);
    return this.database.transaction(tenant, async (transaction) => {
      await refuseStrangers(transaction, tenant, settings);
      const { policy, referenceCollection, thresholds } = settings;
      const [{ is_changed: isChanged }] = await transaction.query<[{ is_changed: boolean }]>(
        `with known as (select policy, reference_collection, thresholds from retrieval.gallery where tenant_id = $1 and name = $2 for update)
         insert into retrieval.gallery as g (tenant_id, name, policy, reference_collection, thresholds) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, name) do update set
           policy = excluded.policy, reference_collection = excluded.reference_collection, thresholds = excluded.thresholds, revision = g.revision + 1
         returning (policy, reference_collection, thresholds) is distinct from (select (policy, reference_collection, thresholds) from known) as is_changed`,
        [tenant.id, name, policy, referenceCollection, JSON.stringify(thresholds)],
      );
      await transaction.delete(GalleryWatch, { tenantId: tenant.id, gallery: name, collection: Not(In([...settings.watches])) });
      await transaction.query(
        `insert into retrieval.gallery_watch as w (tenant_id, gallery, collection) select $1, $2, unnest($3::text[])
         on conflict (tenant_id, gallery, collection) do update set position = 0 where $4`,
        [tenant.id, name, settings.watches, isChanged],
      );
      return find(transaction, tenant, name);
    }, once);
  }

  /** @throws Problem gallery-not-found */
  async get(tenant: Tenant, name: string): Promise<WatchedGallery> {
    return this.database.transaction(tenant, (transaction) => find(transaction, tenant, name));
  }

  /** By name. */
  async list(tenant: Tenant, limit: number, cursor?: string): Promise<Page<WatchedGallery>> {
    const [after = ''] = placeAt(cursor, /^([a-z0-9-]{1,63})$/) ?? [];
    return this.database.transaction(tenant, async (transaction) => {
      const where = { tenantId: tenant.id, name: MoreThan(after) };
      const galleries = await transaction.find(Gallery, { where, order: { name: 'asc' }, take: limit + 1 });
      const { rows, nextCursor } = pageOf(galleries, limit, ({ name }) => name);
      return { rows: await withWatches(transaction, tenant, rows), nextCursor };
    });
  }

  /** @throws Problem gallery-not-found */
  async delete(tenant: Tenant, name: string, once?: Once<void>): Promise<void> {
    await this.database.transaction(tenant, async (transaction) => {
      const { affected } = await transaction.delete(Gallery, { tenantId: tenant.id, name });
      if (affected === 0) throw galleryNotFound(name);
    }, once);
  }

  /** Matches everything again. @throws Problem gallery-not-found */
  async rematch(tenant: Tenant, name: string, once?: Once<WatchedGallery>): Promise<WatchedGallery> {
    return this.database.transaction(tenant, async (transaction) => {
      const { affected } = await transaction.increment(Gallery, { tenantId: tenant.id, name }, 'revision', 1);
      if (affected === 0) throw galleryNotFound(name);
      await transaction.update(GalleryWatch, { tenantId: tenant.id, gallery: name }, { position: 0 });
      return find(transaction, tenant, name);
    }, once);
  }

  /** Newest first. @throws Problem gallery-not-found */
  async matches(tenant: Tenant, name: string, { limit, cursor, collection }: { limit: number; cursor?: string; collection?: string }): Promise<Page<GalleryMatch> & { policy: string }> {
    const [before] = placeAt(cursor, /^(\d{1,15})$/) ?? [];
    return this.database.transaction(tenant, async (transaction) => {
      const { gallery } = await find(transaction, tenant, name);
      const query = transaction.createQueryBuilder(GalleryMatch, 'match').where({ tenantId: tenant.id, gallery: name, ...(collection === undefined ? {} : { collection }) });
      if (before !== undefined) query.andWhere('match.sequence < :before', { before });
      const rows = await query.orderBy('match.sequence', 'DESC').limit(limit + 1).getMany();
      return { ...pageOf(rows, limit, ({ sequence }) => String(sequence)), policy: gallery.policy };
    });
  }

  /** Matches after a sequence, oldest first, and the sequence of the newest. @throws Problem gallery-not-found */
  async matchesAfter(tenant: Tenant, name: string, sequence: number, limit: number): Promise<{ gallery: Gallery; matches: GalleryMatch[] }> {
    return this.database.transaction(tenant, async (transaction) => {
      const { gallery } = await find(transaction, tenant, name);
      if (gallery.sequence <= sequence) return { gallery, matches: [] };
      const where = { tenantId: tenant.id, gallery: name, sequence: MoreThan(sequence) };
      return { gallery, matches: await transaction.find(GalleryMatch, { where, order: { sequence: 'asc' }, take: limit }) };
    });
  }
}

async function find(transaction: EntityManager, tenant: Tenant, name: string): Promise<WatchedGallery> {
  const gallery = await transaction.findOneBy(Gallery, { tenantId: tenant.id, name });
  if (!gallery) throw galleryNotFound(name);
  const [watched] = await withWatches(transaction, tenant, [gallery]);
  return watched;
}

async function withWatches(transaction: EntityManager, tenant: Tenant, galleries: readonly Gallery[]): Promise<WatchedGallery[]> {
  const watches = await transaction.find(GalleryWatch, { where: { tenantId: tenant.id, gallery: In(galleries.map(({ name }) => name)) }, order: { collection: 'asc' } });
  const collections = await transaction.findBy(Collection, { tenantId: tenant.id, name: In(watches.map(({ collection }) => collection)) });
  const latest = new Map(collections.map(({ name, position }) => [name, position]));
  return galleries.map((gallery) => ({
    gallery,
    watches: watches
      .filter((watch) => watch.gallery === gallery.name)
      .map(({ collection, position }) => ({ collection, position, latestPosition: latest.get(collection)! })),
  }));
}

function refuseEqualThresholds(thresholds: readonly Threshold[]): void {
  const keys = thresholds.map(({ category, space }) => JSON.stringify([category ?? null, space ?? null]));
  const second = keys.findIndex((key, index) => keys.indexOf(key) < index);
  if (second >= 0) throw thresholdTwice(second);
}

/** Each collection must be there and have something to compare. */
async function refuseStrangers(transaction: EntityManager, tenant: Tenant, { referenceCollection, watches }: GallerySettings): Promise<void> {
  const found = await transaction.findBy(Collection, { tenantId: tenant.id, name: In([referenceCollection, ...watches]) });
  const byName = new Map(found.map((collection) => [collection.name, collection]));
  const references = byName.get(referenceCollection);
  if (!references) throw watchedCollectionNotFound(referenceCollection, '/references');
  watches.forEach((name, index) => {
    const watched = byName.get(name);
    if (!watched) throw watchedCollectionNotFound(name, `/watches/${index}`);
    if (sharedSpaces(references.spaces, watched.spaces).length === 0) throw nothingInCommon(referenceCollection, name, `/watches/${index}`);
  });
}
