import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Tenant } from '@touchstone/runtime/tenant';
import { collectionNotFound } from '../collection/collection.errors.ts';
import type { Scanner } from '../index/scanner.ts';
import { COPY_LIMITS, type CopyLimits, SCANNER } from '../indexes.ts';
import { CollectionLog } from './collection-log.service.ts';
import { CollectionView } from './collection-view.ts';
import { tooManyVectors } from './search.errors.ts';

/** Copies that are searched may have so many times the vectors of one, together. */
const copiesAtOnce = 10;
/** Before the vectors of a collection that was too large are counted again. */
const refusedMs = 30_000;

/** A copy in use. */
export interface Copy {
  readonly view: CollectionView;
  /** Once, when it is used no more. */
  release(): Promise<void>;
}

interface StandIn {
  readonly view: CollectionView;
  readonly vectors: number;
  users: number;
  isRetired: boolean;
}

/**
 * Copies of collections in this process, made from the stored items as every index is, where all replicas share one index: to
 * stand in for it while it does not answer, and to compare all vectors with each other, which it cannot do.
 */
@Injectable()
export class CollectionCopies implements OnApplicationShutdown {
  private readonly standIns = new Map<string, Promise<StandIn | undefined>>();
  /** Collections that were too large, and until when they count as such. */
  private readonly refusedUntil = new Map<string, number>();
  private vectors = 0;

  constructor(
    @Inject(SCANNER) private readonly scanner: Scanner,
    @Inject(COPY_LIMITS) private readonly limits: CopyLimits,
    private readonly collectionLog: CollectionLog,
  ) {}

  /** Collections that have a stand-in. */
  get size(): number {
    return this.standIns.size;
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.standIns.keys()].map((key) => this.retireKey(key)));
  }

  hasStandIn(tenant: Tenant, name: string): boolean {
    return this.standIns.has(keyOf(tenant, name));
  }

  /**
   * The copy that stands in for a collection's index; it has not read its log yet when it is new.
   *
   * @returns undefined for a collection that is too large, or while the others take the room.
   */
  async standIn(tenant: Tenant, name: string): Promise<Copy | undefined> {
    const key = keyOf(tenant, name);
    if ((this.refusedUntil.get(key) ?? 0) > Date.now()) return undefined;
    let opened = this.standIns.get(key);
    if (!opened) {
      opened = this.open(tenant, name);
      this.standIns.set(key, opened);
      const forget = () => void (this.standIns.get(key) === opened && this.standIns.delete(key));
      opened.then((standIn) => standIn ?? forget(), forget);
    }
    const standIn = await opened;
    if (!standIn) {
      this.refusedUntil.set(key, Date.now() + refusedMs);
      return undefined;
    }
    if (standIn.isRetired) return this.standIn(tenant, name);
    standIn.users += 1;
    const release = async () => {
      standIn.users -= 1;
      await this.closeUnused(standIn);
    };
    return { view: standIn.view, release };
  }

  /** The index answers again: its stand-in is closed when nobody uses it any more. */
  async retire(tenant: Tenant, name: string): Promise<void> {
    await this.retireKey(keyOf(tenant, name));
  }

  /** A copy of one's own with all that is stored now. @throws Problem too-many-vectors, collection-not-found */
  async copy(tenant: Tenant, name: string): Promise<Copy> {
    const vectors = await this.collectionLog.countVectors(tenant, name, this.limits.compared + 1);
    if (vectors > this.limits.compared) throw tooManyVectors(this.limits.compared);
    const view = await this.viewOf(tenant, name);
    const release = async () => view.index.close();
    try {
      await view.follow();
      return { view, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  private async open(tenant: Tenant, name: string): Promise<StandIn | undefined> {
    const { searched } = this.limits;
    const vectors = await this.collectionLog.countVectors(tenant, name, searched + 1);
    if (vectors > searched || this.vectors + vectors > copiesAtOnce * searched) return undefined;
    this.vectors += vectors; // at once: others open theirs meanwhile
    try {
      return { view: await this.viewOf(tenant, name), vectors, users: 0, isRetired: false };
    } catch (error) {
      this.vectors -= vectors;
      throw error;
    }
  }

  private async viewOf(tenant: Tenant, name: string): Promise<CollectionView> {
    const entry = await this.collectionLog.find(tenant, name);
    if (!entry) throw collectionNotFound(name);
    return new CollectionView(tenant, name, entry.spaces, { scanner: this.scanner }, this.collectionLog, true);
  }

  private async retireKey(key: string): Promise<void> {
    this.refusedUntil.delete(key);
    const standIn = await this.standIns.get(key)?.catch(() => undefined);
    this.standIns.delete(key);
    if (!standIn || standIn.isRetired) return;
    standIn.isRetired = true;
    await this.closeUnused(standIn);
  }

  private async closeUnused({ view, vectors, users, isRetired }: StandIn): Promise<void> {
    if (users > 0 || !isRetired) return;
    this.vectors -= vectors;
    await view.index.close();
  }
}

const keyOf = (tenant: Tenant, name: string) => `${tenant.id}/${name}`;
