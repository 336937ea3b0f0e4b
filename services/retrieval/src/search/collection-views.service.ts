import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Problem } from '@touchstone/contracts';
import { DatabaseUnavailable } from '@touchstone/persistence';
import { log } from '@touchstone/runtime/logging';
import type { Health } from '@touchstone/runtime/lifecycle';
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
import { CollectionLog, type DirectoryEntry } from './collection-log.service.ts';
import { LatestPositions } from './latest-positions.service.ts';
import { pairsNeedMemory, positionBeyondLog, positionNotReached } from './search.errors.ts';

export const SCANNER = Symbol('scanner');
/** Where all replicas share the indexes; without it each has its own in its memory. */
export const MILVUS = Symbol('milvus');

const followEveryMs = 1_000;
const patienceMs = 2_000;
const retryReadMs = 20;
/** A database that takes longer counts as one that does not answer. */
const latestPatienceMs = 1_000;

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

  /** All pairs above a threshold. @throws Problem not-implemented where the vectors are not in memory. */
  pairs(space: string, kind: Kind, threshold: number): ReturnType<CollectionIndex['pairs']> {
    if (this.own instanceof CollectionIndex) return this.own.pairs(this.index.keyOf(space), kind, threshold);
    throw pairsNeedMemory();
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

/**
 * The indexes of all collections: views of the item rows in PostgreSQL, made at start and kept up by following each
 * collection's log. There is one way for a change into an index, whoever wrote it: it is read from the log.
 */
@Injectable()
export class CollectionViews implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly views = new Map<string, Promise<CollectionView>>();
  private readonly stopped = new AbortController();
  private following: Promise<void> | undefined;
  private isComplete = false;
  private lastError: Error | undefined;

  constructor(
    @Inject(SCANNER) readonly scanner: Scanner,
    @Inject(MILVUS) readonly milvus: Milvus | undefined,
    private readonly collectionLog: CollectionLog,
    private readonly latestPositions: LatestPositions,
  ) {}

  onApplicationBootstrap(): void {
    this.following = this.followAll();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    await this.following;
    for (const view of await Promise.allSettled(this.views.values())) if (view.status === 'fulfilled') await view.value.index.close();
  }

  health(): Health {
    if (this.lastError) return { part: 'index', isReady: false, detail: `cannot follow the item log: ${this.lastError.message}` };
    return this.isComplete ? { part: 'index', isReady: true } : { part: 'index', isReady: false, detail: 'is being rebuilt from the stored items' };
  }

  /** The views that have read their log. */
  async opened(): Promise<CollectionView[]> {
    const settled = await Promise.allSettled(this.views.values());
    return settled.flatMap((view) => (view.status === 'fulfilled' ? [view.value] : []));
  }

  /**
   * The view of a collection.
   *
   * @throws Problem collection-not-found, also when it is another tenant's.
   */
  async view(tenant: Tenant, name: string): Promise<CollectionView> {
    const key = keyOf(tenant, name);
    const known = this.views.get(key);
    if (known) return known;
    const entry = await this.collectionLog.find(tenant, name);
    if (!entry) throw collectionNotFound(name);
    return this.open(entry);
  }

  /**
   * The view with every write that was acknowledged before this call, by whichever replica, and at least up to
   * `minPosition`. While PostgreSQL does not answer nobody can write, and the view is taken as it is.
   *
   * @throws Problem collection-not-found, position-not-reached; invalid-request for a position that no write has had
   */
  async current(tenant: Tenant, name: string, minPosition: number, signal: AbortSignal): Promise<CollectionView> {
    const latest = await this.latest(tenant, name);
    if (latest === undefined) throw collectionNotFound(name);
    if (latest !== 'unknown' && latest < minPosition) throw positionBeyondLog(minPosition, latest);
    return this.reach(tenant, name, latest === 'unknown' ? minPosition : latest, signal);
  }

  /** `unknown` when PostgreSQL does not answer in time; undefined when there is no such collection. */
  private async latest(tenant: Tenant, name: string): Promise<number | 'unknown' | undefined> {
    let timer: NodeJS.Timeout;
    const patience = new Promise<'unknown'>((resolve) => (timer = setTimeout(resolve, latestPatienceMs, 'unknown')));
    try {
      return await Promise.race([this.latestPositions.of(tenant, name), patience]);
    } catch (error) {
      if (error instanceof DatabaseUnavailable) return 'unknown';
      throw error;
    } finally {
      clearTimeout(timer!);
    }
  }

  /**
   * After a write: the next search finds it when this returns. While an index that others run does not answer, the write stands
   * all the same; it gets there later, and searches wait for it.
   */
  async bring(tenant: Tenant, name: string, position: number, signal: AbortSignal): Promise<void> {
    try {
      await this.reach(tenant, name, position, signal);
    } catch (error) {
      const isLate = this.milvus && error instanceof Problem && error.retryAfterSeconds !== undefined; // not there, or being built
      if (!isLate) throw error;
      log.warn({ err: error, collection: name, position }, 'written, but not in the index yet');
    }
  }

  /** Waits until the view has applied the position, two seconds at most. @throws Problem position-not-reached */
  async reach(tenant: Tenant, name: string, position: number, signal: AbortSignal): Promise<CollectionView> {
    const view = await this.view(tenant, name);
    const givenUpAt = Date.now() + patienceMs;
    while (view.position < position) {
      await view.follow();
      if (view.position >= position) break;
      signal.throwIfAborted();
      if (Date.now() >= givenUpAt) throw positionNotReached(name, position, view.position);
      // Only a position that another replica wrote, or nobody, is not there at once.
      await pause(retryReadMs, this.stopped.signal);
    }
    return view;
  }

  /** Two callers may ask at once: both get the one view, once it has read its log. */
  private open({ tenant, name, spaces }: DirectoryEntry): Promise<CollectionView> {
    const key = keyOf(tenant, name);
    let opened = this.views.get(key);
    if (!opened) {
      const view = new CollectionView(tenant, name, spaces, this, this.collectionLog);
      opened = view.follow().then(() => view);
      this.views.set(key, opened);
      opened.catch(() => {
        this.views.delete(key);
        void view.index.close();
      });
    }
    return opened;
  }

  /** Builds every view, then keeps each as new as its log. */
  private async followAll(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      try {
        for (const entry of await this.collectionLog.directory()) {
          if (this.stopped.signal.aborted) return;
          const view = await this.open(entry);
          if (view.position < entry.position) await view.follow();
        }
        this.isComplete = true;
        this.lastError = undefined;
      } catch (error) {
        this.lastError = error as Error;
        log.warn({ err: error }, 'the item log cannot be read; it is tried again every second');
      }
      await pause(followEveryMs, this.stopped.signal);
    }
  }
}

function keyOf(tenant: Tenant, name: string): string {
  return `${tenant.id}/${name}`;
}

/** Waits; an abort ends the wait early. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
