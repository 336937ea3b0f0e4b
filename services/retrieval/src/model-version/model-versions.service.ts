import { Inject, Injectable } from '@nestjs/common';
import type { EmbeddingModel, Models } from '@touchstone/models';
import { isFinished, type Operation, Operations } from '@touchstone/operations';
import { Database } from '@touchstone/persistence';
import type { Once } from '@touchstone/runtime/once';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { Collections, type CountedCollection } from '../collection/collections.service.ts';
import { lockCollection } from '../collection/log-position.ts';
import { isOwnSpace, type Space } from '../collection/spaces.ts';
import { activated, keptVersions, maximumVersions, otherVersion, withOther, withoutOther } from '../collection/versions.ts';
import { MODELS } from '../models.ts';
import { CollectionViews } from '../search/collection-views.service.ts';
import { changeSpace } from './collection-spaces.ts';
import { noSuchSpace, noSuchVersion, tooManyVersions, versionIsActive, versionIsBuilding, versionIsKept, versionNotReady } from './model-version.errors.ts';
import { type ReindexInput, reindexKind } from './reindex.operation.ts';

/** Names a version of a space. */
export interface NamedVersion {
  readonly space: string;
  /** The version, or the name of its model. */
  readonly modelVersion: string;
}

/** Versions of the models of collections: built, made active, dropped. Each change has a position in the collection's log. */
@Injectable()
export class ModelVersions {
  constructor(
    private readonly database: Database,
    private readonly operations: Operations,
    private readonly collections: Collections,
    private readonly views: CollectionViews,
    @Inject(MODELS) private readonly models: Models,
  ) {}

  /** Begins to build a version; from then on every write is embedded in it too. The one that is being built goes on. */
  async reindex(tenant: Tenant, name: string, asked: NamedVersion & Pick<ReindexInput, 'sample' | 'k' | 'seed'>, once?: Once<Operation>): Promise<Operation> {
    const { collection } = await this.collections.get(tenant, name);
    const before = spaceNamed(collection.spaces, asked.space);
    const model = this.modelOf(asked);
    const running = await this.running(tenant, before, model.version);
    if (running) return this.database.transaction(tenant, async () => running, once);
    await this.refuseWithoutWeights(model);

    return this.database.transaction(tenant, async (transaction) => {
      const space = spaceNamed(await lockCollection(transaction, tenant, name), asked.space);
      refuseKept(space, model.version, otherVersion(before, model.version)?.operationId);
      const input: ReindexInput = { ...asked, modelVersion: model.version, activeVersion: space.modelVersion, collection: name };
      const operation = await this.operations.enqueue(transaction, tenant, reindexKind, input);
      const { version: modelVersion, dimension } = model;
      await changeSpace(transaction, tenant, name, withOther(space, { modelVersion, dimension, state: 'building', operationId: operation.id }));
      return operation;
    }, once);
  }

  /** Makes a complete version the active one. Every replica searches in it from the change's position on. */
  async switch(tenant: Tenant, name: string, asked: NamedVersion, signal: AbortSignal, once?: Once<CountedCollection>): Promise<CountedCollection> {
    return this.change(tenant, name, asked, signal, once, (space, version) => {
      if (space.modelVersion === version) return undefined;
      const other = otherVersion(space, version);
      if (!other) throw noSuchVersion(asked.modelVersion, namesOf(space));
      if (other.state === 'building') throw versionIsBuilding(version, other.operationId!);
      return activated(space, version);
    });
  }

  /** Forgets a version that is not active, with its vectors. */
  async drop(tenant: Tenant, name: string, asked: NamedVersion, signal: AbortSignal, once?: Once<CountedCollection>): Promise<CountedCollection> {
    return this.change(tenant, name, asked, signal, once, async (space, version, transaction) => {
      if (space.modelVersion === version) throw versionIsActive(version);
      if (!otherVersion(space, version)) throw noSuchVersion(asked.modelVersion, namesOf(space));
      await transaction.query('delete from retrieval.item_vector where tenant_id = $1 and collection = $2 and space = $3 and model_version = $4', [tenant.id, name, space.name, version]);
      return withoutOther(space, version);
    });
  }

  /** @param decide the space as it is to be, or undefined when it stays. */
  private async change(
    tenant: Tenant,
    name: string,
    asked: NamedVersion,
    signal: AbortSignal,
    once: Once<CountedCollection> | undefined,
    decide: (space: Space, version: string, transaction: EntityManager) => Promise<Space | undefined> | Space | undefined,
  ): Promise<CountedCollection> {
    const changed = await this.database.transaction(tenant, async (transaction) => {
      const space = spaceNamed(await lockCollection(transaction, tenant, name), asked.space);
      const version = this.modelsOf(asked.space).find((model) => model.name === asked.modelVersion)?.version ?? asked.modelVersion;
      const next = await decide(space, version, transaction);
      if (next) await changeSpace(transaction, tenant, name, next);
      return this.collections.find(transaction, tenant, name);
    }, once);
    await this.views.reach(tenant, name, changed.collection.position, signal);
    return changed;
  }

  private async running(tenant: Tenant, space: Space, version: string): Promise<Operation | undefined> {
    const other = otherVersion(space, version);
    if (other?.state !== 'building') return undefined;
    const operation = await this.operations.get(tenant, other.operationId!);
    return isFinished(operation) ? undefined : operation;
  }

  private modelOf({ space, modelVersion }: NamedVersion): EmbeddingModel<never> {
    const models = this.modelsOf(space);
    const model = models.find(({ name, version }) => modelVersion === version || modelVersion === name);
    if (!model) throw noSuchVersion(modelVersion, models.map(({ version }) => version));
    return model;
  }

  private modelsOf(space: string): readonly EmbeddingModel<never>[] {
    if (space === 'joint') return this.models.joints;
    return space === 'text' ? this.models.texts : this.models.images;
  }

  private async refuseWithoutWeights({ version }: EmbeddingModel<never>): Promise<void> {
    const state = (await this.models.ready()).find((model) => model.version === version);
    if (!state?.isReady) throw versionNotReady(version, state?.reason ?? 'the model server does not know it');
  }
}

function spaceNamed(spaces: readonly Space[], name: string): Space {
  const embedded = spaces.filter((space) => !isOwnSpace(space));
  const space = embedded.find((one) => one.name === name);
  if (!space) throw noSuchSpace(name, embedded.map((one) => one.name));
  return space;
}

/** @param stopped the operation that built the version before and has ended. */
function refuseKept(space: Space, version: string, stopped: string | undefined): void {
  if (space.modelVersion === version) throw versionIsKept(version, 'active');
  const other = otherVersion(space, version);
  if (other?.state === 'standby') throw versionIsKept(version, 'a standby');
  if (other && other.operationId !== stopped) throw versionIsBuilding(version, other.operationId!);
  if (!other && keptVersions(space).length >= maximumVersions) throw tooManyVersions(version, (space.others ?? []).map(({ modelVersion }) => modelVersion));
}

const namesOf = (space: Space): string[] => keptVersions(space).map(({ modelVersion }) => modelVersion);
