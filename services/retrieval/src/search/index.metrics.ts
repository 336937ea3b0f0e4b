import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ObservedGauge } from '@touchstone/runtime/metrics';
import { CollectionCopies } from './collection-copies.service.ts';
import { CollectionViews } from './collection-views.service.ts';

const collections = new ObservedGauge({ name: 'touchstone_index_collections', help: 'Collections whose index is built.' });
const items = new ObservedGauge({ name: 'touchstone_index_items', help: 'Items in the indexes of all collections.' });
const bytes = new ObservedGauge({ name: 'touchstone_index_bytes', help: 'Memory of the indexes, by use: scanned (int8 rows), lists (beside them) or rescoring (float32, none when they are in a file).', labelNames: ['use'] });
const standIns = new ObservedGauge({ name: 'touchstone_index_stand_ins', help: 'Collections that this process searches in copies of its own, because the index that all share does not answer.' });
const positions = new ObservedGauge({ name: 'touchstone_index_positions', help: 'Sum of the positions that the indexes have applied: it grows by one with each write.' });

/** What the indexes of this process look like to `/metrics`. */
@Injectable()
export class IndexMetrics implements OnApplicationShutdown {
  readonly #ends: readonly (() => void)[];

  constructor(views: CollectionViews, copies: CollectionCopies) {
    const sum = async (figure: (view: Awaited<ReturnType<CollectionViews['opened']>>[number]) => number) =>
      (await views.opened()).reduce((total, view) => total + figure(view), 0);
    this.#ends = [
      collections.observe(async (set) => set({}, await sum(() => 1))),
      items.observe(async (set) => set({}, await sum(({ index }) => index.size))),
      standIns.observe(async (set) => set({}, copies.size)),
      positions.observe(async (set) => set({}, await sum(({ position }) => position))),
      bytes.observe(async (set) => {
        set({ use: 'scanned' }, await sum(({ usage }) => usage.scannedBytes));
        set({ use: 'lists' }, await sum(({ usage }) => usage.listBytes));
        set({ use: 'rescoring' }, await sum(({ usage }) => usage.rescoringBytes));
      }),
    ];
  }

  onApplicationShutdown(): void {
    for (const end of this.#ends) end();
  }
}
