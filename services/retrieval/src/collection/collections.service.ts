import { Inject, Injectable } from '@nestjs/common';
import type { Models } from '@touchstone/models';
import { Database, insertOnce } from '@touchstone/persistence';
import type { Once } from '@touchstone/runtime/once';
import type { Tenant } from '@touchstone/runtime/tenant';
import { MODELS } from '../models.ts';
import { collectionDiffers, collectionNotFound } from './collection.errors.ts';
import { Collection, type Space } from './collection.entity.ts';
import { CollectionStatistics } from './collection-statistics.entity.ts';

export interface CountedCollection {
  readonly collection: Collection;
  /** Absent before the first counted change. */
  readonly statistics: CollectionStatistics | null;
}

@Injectable()
export class Collections {
  constructor(
    private readonly database: Database,
    @Inject(MODELS) private readonly models: Models,
  ) {}

  /** Creates the collection; one that exists stays as it is, and must have the same spaces. */
  async put(tenant: Tenant, name: string, spaceNames: readonly string[], once?: Once<CountedCollection>): Promise<CountedCollection> {
    const spaces = spaceNames.map((space) => this.spaceOf(space));
    return this.database.transaction(tenant, async (transaction) => {
      await insertOnce(transaction, transaction.create(Collection, { tenantId: tenant.id, name, spaces }));
      const collection = await transaction.findOneByOrFail(Collection, { tenantId: tenant.id, name });
      const present = collection.spaces.map((space) => space.name);
      if (present.join() !== spaceNames.join()) throw collectionDiffers(name, present);
      return { collection, statistics: await transaction.findOneBy(CollectionStatistics, { tenantId: tenant.id, collection: name }) };
    }, once);
  }

  async get(tenant: Tenant, name: string): Promise<CountedCollection> {
    return this.database.transaction(tenant, async (transaction) => {
      const collection = await transaction.findOneBy(Collection, { tenantId: tenant.id, name });
      if (!collection) throw collectionNotFound(name);
      return { collection, statistics: await transaction.findOneBy(CollectionStatistics, { tenantId: tenant.id, collection: name }) };
    });
  }

  private spaceOf(name: string): Space {
    const { dimension, version } = name === 'text' ? this.models.text : this.models.image;
    return { name, dimension, modelVersion: version };
  }
}
