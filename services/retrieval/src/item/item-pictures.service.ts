import { Injectable } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import { ItemImage, PictureFile } from './item.entity.ts';
import { imageNotFound, imageNotKept } from './item.errors.ts';
import { Items } from './items.service.ts';

/** The files of items' pictures, as they were written. */
@Injectable()
export class ItemPictures {
  constructor(
    private readonly database: Database,
    private readonly items: Items,
  ) {}

  /** @throws Problem collection-not-found, item-not-found, image-not-found */
  async read(tenant: Tenant, collection: string, itemId: string, part: number): Promise<Uint8Array> {
    const file = await this.database.transaction(tenant, async (transaction) => {
      const image = await transaction.findOneBy(ItemImage, { tenantId: tenant.id, collection, itemId, part });
      if (!image) return undefined;
      const picture = await transaction.findOneBy(PictureFile, { tenantId: tenant.id, sha256: image.sha256 });
      if (!picture) throw imageNotKept(itemId, part);
      return picture.file;
    });
    if (file) return file;
    const { images } = await this.items.get(tenant, collection, itemId); // or says that item or collection are not there
    throw imageNotFound(itemId, part, images.length);
  }
}
