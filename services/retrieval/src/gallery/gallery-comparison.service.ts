import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import { In } from 'typeorm';
import type { Space } from '../collection/spaces.ts';
import { indexKey } from '../collection/versions.ts';
import { Item } from '../item/item.entity.ts';
import { CollectionViews } from '../search/collection-views.service.ts';
import { QueryVectors } from '../search/query-vectors.service.ts';
import { queryItemNotFound } from '../search/search.errors.ts';
import type { Wanted } from '../search/searched-spaces.ts';
import { type Comparison, comparisons, type Found } from './comparison.ts';
import type { Gallery } from './gallery.entity.ts';
import { collectionNeeded } from './gallery.errors.ts';
import { sharedSpaces } from './shared-spaces.ts';
import { lowestThreshold } from './threshold.ts';

/**
 * Something to compare, by its vectors. Each names the version that it was made by, and is compared with the references' vectors
 * of that version, whatever becomes active meanwhile.
 */
export interface Compared {
  readonly vectors: readonly { readonly space: Pick<Space, 'name' | 'modelVersion'>; readonly vector: Float32Array }[];
  /** Id of the reference that it is itself. */
  readonly self?: string;
}

/** References that one part of a thing can match. */
const maximumFound = 100;
/** Things that are compared at a time: each search holds memory for what it keeps. */
const atATime = 32;

/** Compares things with the references of a gallery, exactly: every pair of parts in a space that both have. */
@Injectable()
export class GalleryComparison {
  constructor(
    private readonly database: Database,
    private readonly views: CollectionViews,
    private readonly vectors: QueryVectors,
  ) {}

  /**
   * What a request asks to compare: all parts of an item, or whatever else a search takes.
   *
   * @param collection of the item.
   * @throws Problem as a search; invalid-request for an item without its collection.
   */
  async read(tenant: Tenant, { referenceCollection }: Gallery, wanted: Wanted, collection: string | undefined, signal: AbortSignal): Promise<Compared> {
    const { query } = wanted;
    return this.views.reading(tenant, referenceCollection, 0, signal, async (references) => {
      if (query.kind !== 'item') {
        const inSpaces = await this.vectors.of(references, references.spaces, wanted, signal);
        return { vectors: inSpaces.flatMap(({ space, vectors }) => vectors.map((vector) => ({ space, vector }))) };
      }
      if (collection === undefined) throw collectionNeeded();
      return this.views.reading(tenant, collection, 0, signal, async ({ index, name, spaces }) => {
        if (!(await index.has(query.id))) throw queryItemNotFound(name, query.id, query.pointer);
        const shared = sharedSpaces(references.spaces, spaces).filter((space) => wanted.space === undefined || space.name === wanted.space);
        const vectors = await Promise.all(shared.map(async (space) => (await index.vectors(query.id, indexKey(space))).map((vector) => ({ space, vector }))));
        return { vectors: vectors.flat(), self: referenceCollection === collection ? query.id : undefined };
      });
    });
  }

  /** The references that each of the things is similar enough to, as `comparisons` has them. Aligned with `compared`. */
  async matches(tenant: Tenant, gallery: Gallery, compared: readonly Compared[], signal: AbortSignal): Promise<Comparison[][]> {
    const minimum = (space: string) => ({ minScore: lowestThreshold(gallery.thresholds, space), limit: maximumFound });
    const all = await this.compare(tenant, gallery, compared, minimum, signal);
    return all.map((found) => found.filter(({ score, threshold }) => score >= threshold));
  }

  /** All matches, and the most similar of the other references, as `comparisons` has them. */
  async nearest(tenant: Tenant, gallery: Gallery, compared: Compared, limit: number, signal: AbortSignal): Promise<Comparison[]> {
    const [[matches], [nearest]] = await Promise.all([
      this.matches(tenant, gallery, [compared], signal),
      this.compare(tenant, gallery, [compared], () => ({ limit }), signal),
    ]);
    const known = new Set(matches.map(({ referenceId }) => referenceId));
    return [...matches, ...nearest.filter(({ referenceId }) => !known.has(referenceId))].slice(0, limit);
  }

  private async compare(
    tenant: Tenant,
    { referenceCollection, thresholds }: Gallery,
    compared: readonly Compared[],
    wanted: (space: string) => { limit: number; minScore?: number },
    signal: AbortSignal,
  ): Promise<Comparison[][]> {
    const found = await this.views.reading(tenant, referenceCollection, 0, signal, async ({ index }) => {
      const compareOne = async ({ vectors, self }: Compared): Promise<Found[]> => {
        const exclude = self === undefined ? [] : [self];
        const results = await Promise.all(vectors.map(({ space, vector }) => index.search({ space: indexKey(space), vector, exclude, ...wanted(space.name) })));
        return results.flatMap(({ hits }, at) => hits.map(({ id, score, kinds, part }) => ({ referenceId: id, score, space: vectors[at].space.name, kind: kinds[0], part })));
      };
      const found: Found[][] = [];
      for (let start = 0; start < compared.length; start += atATime) found.push(...(await Promise.all(compared.slice(start, start + atATime).map(compareOne))));
      return found;
    });
    const categories = await this.categories(tenant, referenceCollection, new Set(found.flat().map(({ referenceId }) => referenceId)));
    return found.map((one) => comparisons(one, (id) => categories.get(id) ?? '', thresholds));
  }

  private async categories(tenant: Tenant, collection: string, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    if (ids.size === 0) return new Map();
    const where = { tenantId: tenant.id, collection, id: In([...ids]) };
    const items = await this.database.transaction(tenant, (transaction) => transaction.find(Item, { where, select: { id: true, category: true } }));
    return new Map(items.map(({ id, category }) => [id, category]));
  }
}
