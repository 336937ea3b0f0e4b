import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Problem, Reason } from '@touchstone/contracts';
import { DatabaseUnavailable } from '@touchstone/persistence';
import { log } from '@touchstone/runtime/logging';
import type { Health } from '@touchstone/runtime/lifecycle';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type Milvus, MilvusUnavailable } from '../index/milvus.client.ts';
import type { Scanner } from '../index/scanner.ts';
import { collectionNotFound } from '../collection/collection.errors.ts';
import { MILVUS, SCANNER } from '../indexes.ts';
import { type Copy, CollectionCopies } from './collection-copies.service.ts';
import { CollectionLog, type DirectoryEntry } from './collection-log.service.ts';
import { CollectionView } from './collection-view.ts';
import { LatestPositions } from './latest-positions.service.ts';
import { positionBeyondLog, positionNotReached } from './search.errors.ts';

export { CollectionView } from './collection-view.ts';

const followEveryMs = 1_000;
const patienceMs = 2_000;
const retryReadMs = 20;
/** Time for a stand-in to read its log. */
const standInPatienceMs = 10_000;
/** A database that takes longer counts as one that does not answer. */
const latestPatienceMs = 1_000;

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
    private readonly copies: CollectionCopies,
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
    // No replica has another Milvus: one that is not ready would take the writes away too, and the searches of smaller collections.
    if (this.lastError instanceof MilvusUnavailable) return { part: 'index', isReady: true, detail: `smaller collections are searched in copies, others not at all: ${this.lastError.message}` };
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
    return this.reach(tenant, name, await this.positionToReach(tenant, name, minPosition), signal);
  }

  /**
   * Does what reads a collection on its view, as `current` has it. While the index that replicas share does not answer, or is being
   * made anew, it is done on a copy in this process, when the collection is small enough; it may be done a second time then.
   */
  async reading<Result>(tenant: Tenant, name: string, minPosition: number, signal: AbortSignal, work: (view: CollectionView) => Promise<Result>): Promise<Result> {
    const position = await this.positionToReach(tenant, name, minPosition);
    const shared = async () => work(await this.reach(tenant, name, position, signal));
    if (!this.milvus) return shared();
    let cause: unknown;
    if (!this.copies.hasStandIn(tenant, name)) {
      try {
        return await shared();
      } catch (error) {
        if (!isAbsence(error)) throw error;
        cause = error;
      }
    }
    const standIn = await this.copies.standIn(tenant, name);
    if (!standIn && cause) throw cause;
    if (!standIn) return shared();
    try {
      await this.catchUp(standIn.view, position);
      return await work(standIn.view);
    } finally {
      await standIn.release();
    }
  }

  /** A view whose vectors are in this process, to compare all of them. @throws Problem too-many-vectors, collection-not-found */
  async inMemory(tenant: Tenant, name: string, signal: AbortSignal): Promise<Copy> {
    if (this.milvus) return this.copies.copy(tenant, name);
    return { view: await this.current(tenant, name, 0, signal), release: async () => undefined };
  }

  private async catchUp(view: CollectionView, position: number): Promise<void> {
    if (view.position >= position) return;
    await Promise.race([view.follow(), pause(standInPatienceMs, this.stopped.signal)]);
    if (view.position < position) throw positionNotReached(view.name, position, view.position);
  }

  private async positionToReach(tenant: Tenant, name: string, minPosition: number): Promise<number> {
    const latest = await this.latest(tenant, name);
    if (latest === undefined) throw collectionNotFound(name);
    if (latest !== 'unknown' && latest < minPosition) throw positionBeyondLog(minPosition, latest);
    return latest === 'unknown' ? minPosition : latest;
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
    if (this.copies.hasStandIn(tenant, name)) return;
    try {
      await this.reach(tenant, name, position, signal);
    } catch (error) {
      if (!this.milvus || !isAbsence(error)) throw error;
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
          const hasStandIn = this.copies.hasStandIn(entry.tenant, entry.name);
          if (view.position < entry.position || hasStandIn) await view.follow(); // which asks the index that has a stand-in
          if (hasStandIn && view.position >= entry.position) await this.copies.retire(entry.tenant, entry.name);
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

/** The shared index does not answer, or is being built. */
const isAbsence = (error: unknown): boolean => error instanceof MilvusUnavailable || (error instanceof Problem && error.reason === Reason.POSITION_NOT_REACHED);

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
