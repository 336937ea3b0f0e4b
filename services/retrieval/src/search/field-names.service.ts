import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import { itemFields } from '../item/item-content.ts';
import type { CollectionView } from './collection-views.service.ts';
import type { NamedField } from './filter-reader.ts';
import { nearNames } from './near-names.ts';
import { unknownField } from './search.errors.ts';

/** Items whose attributes are looked at for names that may have been meant. */
const sampledItems = 1_000;
const comparedNames = 300;

/** Knows which fields the items of a collection have. */
@Injectable()
export class FieldNames {
  constructor(private readonly database: Database) {}

  /**
   * A misspelt field would quietly match nothing. In an empty collection every name may come yet.
   *
   * @throws Problem unknown-field, with names that may have been meant.
   */
  async refuseUnknown(view: CollectionView, fields: readonly NamedField[]): Promise<void> {
    if (view.index.size === 0) return;
    for (const { field, pointer } of fields) {
      if (isItemField(field) || (await view.index.known(field))) continue;
      throw unknownField(pointer, field, nearNames(field, [...itemFields, ...(await this.attributeNames(view))]));
    }
  }

  private async attributeNames({ tenant, name }: CollectionView): Promise<string[]> {
    const rows = await this.database.transaction(tenant, (transaction) =>
      transaction.query<{ name: string }[]>(
        `select distinct jsonb_object_keys(attributes) as name
         from (select attributes from retrieval.item where tenant_id = $1 and collection = $2 limit ${sampledItems}) as sample
         limit ${comparedNames}`,
        [tenant.id, name],
      ),
    );
    return rows.map((row) => row.name);
  }
}

const isItemField = (field: string) => (itemFields as readonly string[]).includes(field);
