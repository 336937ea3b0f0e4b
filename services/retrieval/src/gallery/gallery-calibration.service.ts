import { Injectable } from '@nestjs/common';
import { Problem, Reason } from '@touchstone/contracts';
import { Database } from '@touchstone/persistence';
import { seededRandom } from '@touchstone/runtime/random';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type Interval, wilsonInterval } from '@touchstone/statistics';
import { In } from 'typeorm';
import { Item } from '../item/item.entity.ts';
import type { Space } from '../collection/spaces.ts';
import { indexKey } from '../collection/versions.ts';
import { type CollectionView, CollectionViews } from '../search/collection-views.service.ts';
import { calibrate, type ScoredPair, thresholdInterval } from './calibration.ts';
import { Galleries } from './galleries.service.ts';
import { sharedSpaces } from './shared-spaces.ts';

export interface LabelledPair {
  readonly collection: string;
  readonly itemId: string;
  readonly referenceId: string;
  readonly isMatch: boolean;
}

/** What the pairs of a category say about a space. */
export interface Calibration {
  readonly category: string;
  readonly space: string;
  readonly matchingPairs: number;
  readonly otherPairs: number;
  readonly threshold?: number;
  readonly thresholdInterval?: { readonly low: number; readonly high: number };
  readonly precision?: Interval;
  readonly recall?: Interval;
}

interface PairInSpace extends ScoredPair {
  readonly category: string;
  readonly space: string;
}

/** Finds a gallery's thresholds from pairs that people have labelled. */
@Injectable()
export class GalleryCalibration {
  constructor(
    private readonly database: Database,
    private readonly galleries: Galleries,
    private readonly views: CollectionViews,
  ) {}

  /**
   * One calibration for each category and space with pairs of both labels.
   *
   * @throws Problem gallery-not-found, collection-not-found, item-not-found
   */
  async calibrate(tenant: Tenant, name: string, pairs: readonly LabelledPair[], precision: number, seed: number, signal: AbortSignal): Promise<Calibration[]> {
    const { gallery } = await this.galleries.get(tenant, name);
    const references = await this.views.current(tenant, gallery.referenceCollection, 0, signal);
    const collections = [...new Set(pairs.map(({ collection }) => collection))];
    const views = new Map(await Promise.all(collections.map(async (collection) => [collection, await this.views.current(tenant, collection, 0, signal)] as const)));
    const shared = new Map([...views].map(([collection, { spaces }]) => [collection, sharedSpaces(references.spaces, spaces)])); // once: another version may become active
    const categories = await this.categories(tenant, gallery.referenceCollection, pairs);

    const scored: PairInSpace[] = [];
    for (const [index, pair] of pairs.entries()) {
      const items = views.get(pair.collection)!;
      const category = categories.get(pair.referenceId);
      if (category === undefined) throw noSuchItem(index, 'referenceId', pair.referenceId);
      if (!(await items.index.has(pair.itemId))) throw noSuchItem(index, 'itemId', pair.itemId);
      for (const space of shared.get(pair.collection)!) {
        const score = await similarity(items, pair.itemId, references, pair.referenceId, space);
        if (score !== undefined) scored.push({ category, space: space.name, score, isMatch: pair.isMatch });
      }
    }
    const random = seededRandom(seed);
    return [...Map.groupBy(scored, ({ category, space }) => JSON.stringify([category, space])).values()]
      .filter((group) => group.some(({ isMatch }) => isMatch) && group.some(({ isMatch }) => !isMatch))
      .map((group) => calibration(group, precision, random));
  }

  private async categories(tenant: Tenant, collection: string, pairs: readonly LabelledPair[]): Promise<ReadonlyMap<string, string>> {
    const where = { tenantId: tenant.id, collection, id: In([...new Set(pairs.map(({ referenceId }) => referenceId))]) };
    const items = await this.database.transaction(tenant, (transaction) => transaction.find(Item, { where, select: { id: true, category: true } }));
    return new Map(items.map(({ id, category }) => [id, category]));
  }
}

function calibration(group: readonly PairInSpace[], precision: number, random: () => number): Calibration {
  const [{ category, space }] = group;
  const matchingPairs = group.filter(({ isMatch }) => isMatch).length;
  const counts = { category, space, matchingPairs, otherPairs: group.length - matchingPairs };
  const outcome = calibrate(group, precision);
  if (!outcome) return counts;
  const { threshold, found, above, matching } = outcome;
  return { ...counts, threshold, thresholdInterval: thresholdInterval(group, precision, random), precision: wilsonInterval(found, above), recall: wilsonInterval(found, matching) };
}

/** Cosine of the best pair of parts; undefined when one of the two has no part in the space. */
async function similarity(items: CollectionView, itemId: string, references: CollectionView, referenceId: string, space: Space): Promise<number | undefined> {
  const [own, others] = await Promise.all([items.index.vectors(itemId, indexKey(space)), references.index.vectors(referenceId, indexKey(space))]);
  if (own.length === 0 || others.length === 0) return undefined;
  return Math.max(...own.flatMap((a) => others.map((b) => a.reduce((sum, value, index) => sum + value * b[index], 0))));
}

const noSuchItem = (index: number, field: 'itemId' | 'referenceId', id: string) =>
  new Problem({
    reason: Reason.ITEM_NOT_FOUND,
    detail: `Pair ${index} names an item ${id} that is not there.`,
    violations: [{ pointer: `/pairs/${index}/${field}`, detail: 'no such item' }],
  });
