import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { GalleryMatchedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { Outbox } from '@touchstone/messaging';
import { Database } from '@touchstone/persistence';
import { systemClock } from '@touchstone/runtime/clock';
import { log } from '@touchstone/runtime/logging';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { Collection } from '../collection/collection.entity.ts';
import { indexKey } from '../collection/versions.ts';
import type { IndexedPart } from '../index/vector-index.ts';
import { type Change, CollectionLog } from '../search/collection-log.service.ts';
import type { Comparison } from './comparison.ts';
import { GalleryComparison } from './gallery-comparison.service.ts';
import { Gallery } from './gallery.entity.ts';
import { sharedSpaces } from './shared-spaces.ts';

const lookEveryMs = 500;
/** References of one item that are kept and told of. */
const maximumReferences = 100;

interface Due {
  readonly tenant: Tenant;
  readonly gallery: string;
  readonly collection: string;
  readonly position: number;
}

/** What a page of the log means for a gallery. */
interface PageOfMatches {
  /** Items that were written, with what they match now; those that were deleted match nothing. */
  readonly items: readonly { readonly id: string; readonly position: number; readonly matches: readonly Comparison[] }[];
  readonly position: number;
}

/**
 * Matches what is written to watched collections, by reading their logs as the indexes do: page after page, each with its
 * matches, its events and the new position in one transaction. The position must be the one that the page began at and the
 * gallery unchanged, so replicas and crashes neither skip an item nor tell of a match twice.
 */
@Injectable()
export class GalleryFollower implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly stopped = new AbortController();
  private following: Promise<void> | undefined;

  constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    private readonly collectionLog: CollectionLog,
    private readonly comparison: GalleryComparison,
  ) {}

  onApplicationBootstrap(): void {
    this.following = this.follow();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    await this.following;
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      const due = await this.due().catch((error: unknown) => this.warn(error));
      // One gallery that cannot be matched does not hold up the others.
      for (const one of due ?? []) await this.catchUp(one, signal).catch((error: unknown) => this.warn(error, one));
      await systemClock.wait(lookEveryMs, signal);
    }
  }

  private warn(error: unknown, due?: Due): void {
    if (this.stopped.signal.aborted) return;
    log.warn({ err: error, gallery: due?.gallery, collection: due?.collection }, 'items cannot be matched with a gallery; it is tried again soon');
  }

  /** Watched collections with writes that were not matched yet. */
  private async due(): Promise<Due[]> {
    const rows = await this.database.systemQuery<{ tenant_id: string; gallery: string; collection: string; position: string }>(
      `select watch.tenant_id, watch.gallery, watch.collection, watch.position from retrieval.gallery_watch watch
       join retrieval.collection c on c.tenant_id = watch.tenant_id and c.name = watch.collection and c.position > watch.position`,
    );
    return rows.map(({ tenant_id, gallery, collection, position }) => ({ tenant: { id: tenant_id }, gallery, collection, position: Number(position) }));
  }

  private async catchUp(due: Due, signal: AbortSignal): Promise<void> {
    for (let { position } = due; !signal.aborted; ) {
      const page = await this.collectionLog.read(due.tenant, due.collection, position);
      const isMine = page && (await this.match({ ...due, position }, page.changes, page.position, signal));
      if (!isMine || page.isLast) return;
      position = page.position;
    }
  }

  /** @returns false when another replica was quicker, or the gallery was changed. */
  private async match(due: Due, changes: readonly Change[], next: number, signal: AbortSignal): Promise<boolean> {
    const { tenant, gallery: name, collection } = due;
    const found = await this.database.transaction(tenant, async (transaction) => {
      const gallery = await transaction.findOneBy(Gallery, { tenantId: tenant.id, name });
      if (!gallery) return undefined;
      const collections = await Promise.all([collection, gallery.referenceCollection].map((each) => transaction.findOneByOrFail(Collection, { tenantId: tenant.id, name: each })));
      const shared = sharedSpaces(collections[0].spaces, collections[1].spaces);
      return { gallery, spaces: new Map(shared.map((space) => [indexKey(space), space])) };
    });
    if (!found) return false;
    const { gallery, spaces } = found;
    const comparable = (parts: readonly IndexedPart[]) => parts.flatMap(({ space: key, vector }) => (spaces.has(key) ? [{ space: spaces.get(key)!, vector }] : []));
    const items = changes.map((change) => ('item' in change ? { id: change.item.id, vectors: comparable(change.item.parts) } : { id: change.deleted, vectors: [] }));
    const compared = items.map(({ id, vectors }) => ({ vectors, self: gallery.referenceCollection === collection ? id : undefined }));
    const matches = await this.comparison.matches(tenant, gallery, compared, signal);
    const page = { position: next, items: items.map(({ id }, index) => ({ id, position: changes[index].position, matches: matches[index].slice(0, maximumReferences) })) };
    return this.database.transaction(tenant, (transaction) => this.save(transaction, due, gallery, page));
  }

  private async save(transaction: EntityManager, { tenant, collection, position }: Due, gallery: Gallery, page: PageOfMatches): Promise<boolean> {
    // The gallery's row first, as those who change it do.
    const [locked] = await transaction.query<{ sequence: string }[]>(
      'select sequence from retrieval.gallery where tenant_id = $1 and name = $2 and revision = $3 for update',
      [tenant.id, gallery.name, gallery.revision],
    );
    const [, moved] = await transaction.query<[unknown, number]>(
      'update retrieval.gallery_watch set position = $5 where tenant_id = $1 and gallery = $2 and collection = $3 and position = $4',
      [tenant.id, gallery.name, collection, position, page.position],
    );
    if (!locked || moved === 0) return false;

    const pairs = page.items.flatMap(({ id, position, matches }) => matches.map((match) => ({ item_id: id, position, ...toRow(match) })));
    await transaction.query(
      `delete from retrieval.gallery_match m where tenant_id = $1 and gallery = $2 and collection = $3 and item_id = any($4)
       and not exists (select from jsonb_to_recordset($5) as pair (item_id text, reference_id text) where pair.item_id = m.item_id and pair.reference_id = m.reference_id)`,
      [tenant.id, gallery.name, collection, page.items.map(({ id }) => id), JSON.stringify(pairs)],
    );
    if (pairs.length === 0) return true;
    const written = await transaction.query<{ item_id: string; reference_id: string; is_new: boolean }[]>(
      `insert into retrieval.gallery_match as m
         (tenant_id, gallery, collection, item_id, reference_id, category, score, threshold, space, kind, part, position, sequence)
       select $1, $2, $3, item_id, reference_id, category, score, threshold, space, kind, part, position, $4 + row_number() over ()
       from jsonb_to_recordset($5) as pair
         (item_id text, reference_id text, category text, score float8, threshold float8, space text, kind text, part integer, position bigint)
       on conflict (tenant_id, gallery, collection, item_id, reference_id) do update set
         category = excluded.category, score = excluded.score, threshold = excluded.threshold,
         space = excluded.space, kind = excluded.kind, part = excluded.part, position = excluded.position
       returning item_id, reference_id, m.sequence > $4 as is_new`,
      [tenant.id, gallery.name, collection, locked.sequence, JSON.stringify(pairs)],
    );
    await transaction.query('update retrieval.gallery set sequence = sequence + $3 where tenant_id = $1 and name = $2', [tenant.id, gallery.name, pairs.length]);

    const isNew = new Set(written.filter(({ is_new }) => is_new).map(({ item_id, reference_id }) => `${item_id} ${reference_id}`));
    const events = page.items.flatMap(({ id, position, matches }) => {
      const references = matches.filter(({ referenceId }) => isNew.has(`${id} ${referenceId}`));
      if (references.length === 0) return [];
      return [{ key: `${gallery.name}/${collection}/${id}`, message: { gallery: gallery.name, policy: gallery.policy, collection, itemId: id, position, references } }];
    });
    await this.outbox.addAll(transaction, tenant, GalleryMatchedSchema, events);
    return true;
  }
}

const toRow = ({ referenceId, category, score, threshold, space, kind, part }: Comparison) => ({ reference_id: referenceId, category, score, threshold, space, kind, part });
