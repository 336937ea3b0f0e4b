import { isDeepStrictEqual } from 'node:util';
import type { Tenant } from '@touchstone/runtime/tenant';
import { CollectionIndex } from '../index/collection-index.ts';
import { MilvusVectorIndex } from '../index/milvus-vector-index.ts';
import type { Milvus } from '../index/milvus.client.ts';
import type { Scanner } from '../index/scanner.ts';
import type { Kind } from '../index/vector-index.ts';
import { type VersionedSpace, VersionedIndex } from '../index/versioned-index.ts';
import type { Space } from '../collection/collection.entity.ts';
import { collectionNotFound } from '../collection/collection.errors.ts';
import { indexKey, keptVersions } from '../collection/versions.ts';
import type { CollectionLog } from './collection-log.service.ts';

/** The index of one collection, as far as its log was applied. */
export class CollectionView {
  /** Its spaces by their plain names in the active version, by `indexKey` in every version. */
  readonly index: VersionedIndex;
  private readonly own: CollectionIndex | MilvusVectorIndex;
  /** Up to here the log was applied; where the index is shared, the position of which the spaces are. */
  private applied = 0;
  private current: readonly Space[];
  private reading: Promise<void> | undefined;

  constructor(
    readonly tenant: Tenant,
    readonly name: string,
    spaces: readonly Space[],
    { scanner, milvus }: { readonly scanner: Scanner; readonly milvus?: Milvus },
    private readonly collectionLog: CollectionLog,
    /** Whether it is here because the index that all replicas share does not answer. */
    readonly isStandIn = false,
  ) {
    this.current = spaces;
    const versions = spaces.flatMap(versionsInIndex);
    const dimensions = new Map(versions.map((version) => [version.key, version]));
    this.own = milvus ? MilvusVectorIndex.at(milvus, `${tenant.id}/${name}`, dimensions) : new CollectionIndex(scanner, dimensions);
    this.index = new VersionedIndex(this.own, versions);
  }

  /** Position of the last applied write. A shared index may lose it: then it is below all. */
  get position(): number {
    return this.own instanceof MilvusVectorIndex ? Math.min(this.own.position, this.applied) : this.applied;
  }

  /** As of `position`. What comes later has another array: take it once for a search. */
  get spaces(): readonly Space[] {
    return this.current;
  }

  /** All pairs above a threshold. Only of a view whose vectors are in this process: `CollectionViews.inMemory`. */
  pairs(space: string, kind: Kind, threshold: number): ReturnType<CollectionIndex['pairs']> {
    if (this.own instanceof CollectionIndex) return this.own.pairs(this.index.keyOf(space), kind, threshold);
    throw new Error(`The vectors of ${this.name} are not in this process.`);
  }

  /** Bytes in this process. */
  get usage(): CollectionIndex['usage'] {
    return this.own instanceof CollectionIndex ? this.own.usage : { scannedBytes: 0, listBytes: 0, rescoringBytes: 0 };
  }

  /** Applies what the log has beyond `position`. Reads one page after another; concurrent calls share one reading. */
  follow(): Promise<void> {
    this.reading ??= this.readOn().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async readOn(): Promise<void> {
    for (let isLast = false; !isLast; ) isLast = this.own instanceof MilvusVectorIndex ? await this.readOnShared(this.own) : await this.readPage(this.own);
  }

  private async readPage(index: CollectionIndex): Promise<boolean> {
    const { spaces, changes, position, isLast } = found(await this.collectionLog.read(this.tenant, this.name, this.applied), this.name);
    await this.keep(spaces); // before the items: they may have parts in a version that came with them
    for (const change of changes) {
      if ('item' in change) index.upsert(this.index.inKeptVersions(change.item));
      else index.delete(change.deleted);
    }
    this.applied = position;
    return isLast;
  }

  /** One replica at a time brings the shared index further, from where it stands; the others see how far it is. */
  private async readOnShared(index: MilvusVectorIndex): Promise<boolean> {
    const isLast = await this.collectionLog.alone(this.tenant, this.name, async (transaction) => {
      await index.locate();
      await index.ensure();
      const page = found(await this.collectionLog.read(this.tenant, this.name, index.position, transaction), this.name);
      // The lock ends with its connection: asked before each step, for Milvus itself cannot refuse a writer that has lost it.
      const mayWrite = async () => void (await transaction.query('select 1'));
      await this.keep(page.spaces);
      const changes = page.changes.map((change) => ('item' in change ? { item: this.index.inKeptVersions(change.item) } : change));
      if (page.position > index.position) await index.apply(changes, page.position, mayWrite);
      this.applied = page.latest;
      return page.isLast;
    });
    if (isLast !== undefined) return isLast;
    const { spaces, position } = found(await this.collectionLog.find(this.tenant, this.name), this.name);
    await this.keep(spaces);
    this.applied = position;
    await index.locate();
    return true;
  }

  /** Takes over the spaces as they are now: versions that came, went or became active. */
  private async keep(spaces: readonly Space[]): Promise<void> {
    if (isDeepStrictEqual(this.current, spaces)) return;
    await this.index.keep(spaces.flatMap(versionsInIndex));
    this.current = spaces;
  }
}

function found<Found>(there: Found | undefined, collection: string): Found {
  if (there === undefined) throw collectionNotFound(collection);
  return there;
}

function versionsInIndex(space: Space): VersionedSpace[] {
  return keptVersions(space).map((version, place) => ({ key: indexKey(version), dimension: version.dimension, ...(place === 0 ? { name: space.name } : {}) }));
}
