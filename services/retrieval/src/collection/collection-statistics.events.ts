import { Controller } from '@nestjs/common';
import { ItemDeletedSchema, ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { OnEvent, type Received } from '@touchstone/messaging';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';

interface Change {
  readonly items: number;
  readonly images: number;
  readonly upserts: number;
  readonly deletes: number;
}

/** Counts what happens in a collection; each event counts once, however often it is delivered. */
@Controller()
export class CollectionStatisticsEvents {
  constructor(private readonly database: Database) {}

  @OnEvent(ItemUpsertedSchema)
  async onItemUpserted({ tenant, time, data }: Received<typeof ItemUpsertedSchema>): Promise<void> {
    const { collection, isNew, images, imagesBefore } = data;
    await this.count(tenant, collection, time, { items: isNew ? 1 : 0, images: images - imagesBefore, upserts: 1, deletes: 0 });
  }

  @OnEvent(ItemDeletedSchema)
  async onItemDeleted({ tenant, time, data }: Received<typeof ItemDeletedSchema>): Promise<void> {
    await this.count(tenant, data.collection, time, { items: -1, images: -data.imagesBefore, upserts: 0, deletes: 1 });
  }

  private async count(tenant: Tenant, collection: string, time: Date, { items, images, upserts, deletes }: Change): Promise<void> {
    await this.database.transaction(tenant, (transaction) =>
      transaction.query(
        `insert into retrieval.collection_statistics as s (tenant_id, collection, items, images, upserts, deletes, last_change_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (tenant_id, collection) do update set
           items = s.items + excluded.items, images = s.images + excluded.images, upserts = s.upserts + excluded.upserts,
           deletes = s.deletes + excluded.deletes, last_change_at = greatest(s.last_change_at, excluded.last_change_at)`,
        [tenant.id, collection, items, images, upserts, deletes, time],
      ),
    );
  }
}
