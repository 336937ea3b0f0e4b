import { Inject, Injectable } from '@nestjs/common';
import type { Models } from '@touchstone/models';
import { Database, insertOnce } from '@touchstone/persistence';
import type { Once } from '@touchstone/runtime/once';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { MODELS } from '../models.ts';
import { collectionDiffers, collectionNotFound, jointModelNotReady, spacesRefused } from './collection.errors.ts';
import { Collection } from './collection.entity.ts';
import { CollectionStatistics } from './collection-statistics.entity.ts';
import { areSameSpaces, type Space, spacesOf, SpacesRefused, type WantedSpace } from './spaces.ts';

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
  async put(tenant: Tenant, name: string, wanted: readonly WantedSpace[], once?: Once<CountedCollection>): Promise<CountedCollection> {
    const spaces = this.spacesOf(wanted);
    if (spaces.some(({ isJoint }) => isJoint)) await this.refuseWithoutWeights(tenant, name, spaces, wanted);
    return this.database.transaction(tenant, async (transaction) => {
      await insertOnce(transaction, transaction.create(Collection, { tenantId: tenant.id, name, spaces }));
      const collection = await transaction.findOneByOrFail(Collection, { tenantId: tenant.id, name });
      if (!areSameSpaces(collection.spaces, spaces)) throw collectionDiffers(name, collection.spaces);
      return { collection, statistics: await transaction.findOneBy(CollectionStatistics, { tenantId: tenant.id, collection: name }) };
    }, once);
  }

  async get(tenant: Tenant, name: string): Promise<CountedCollection> {
    return this.database.transaction(tenant, (transaction) => this.find(transaction, tenant, name));
  }

  async find(transaction: EntityManager, tenant: Tenant, name: string): Promise<CountedCollection> {
    const collection = await transaction.findOneBy(Collection, { tenantId: tenant.id, name });
    if (!collection) throw collectionNotFound(name);
    return { collection, statistics: await transaction.findOneBy(CollectionStatistics, { tenantId: tenant.id, collection: name }) };
  }

  /** Nobody pulls a joint model's weights unasked, so a new collection would wait for them for ever. One that exists may be put again. */
  private async refuseWithoutWeights(tenant: Tenant, name: string, spaces: readonly Space[], wanted: readonly WantedSpace[]): Promise<void> {
    if (await this.database.transaction(tenant, (transaction) => transaction.existsBy(Collection, { tenantId: tenant.id, name }))) return;
    const { modelVersion } = spaces.find(({ isJoint }) => isJoint)!;
    const state = (await this.models.ready()).find(({ version }) => version === modelVersion);
    if (!state?.isReady) throw jointModelNotReady(wanted.findIndex((space) => space.name === 'joint'), modelVersion, state?.reason ?? 'the model server does not know it');
  }

  private spacesOf(wanted: readonly WantedSpace[]): Space[] {
    try {
      return spacesOf(wanted, this.models);
    } catch (error) {
      throw error instanceof SpacesRefused ? spacesRefused(error) : error;
    }
  }
}
