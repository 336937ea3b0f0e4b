import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import {
  type DeleteItemRequest,
  type DeleteItemResponseSchema,
  type GetItemRequest,
  type ItemInput,
  type ItemSchema,
  ItemService,
  type UpsertItemsRequest,
  type UpsertItemsResponseSchema,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { type ItemContent, Items } from './items.service.ts';
import { pictureOf } from './picture.ts';

@GrpcController(ItemService)
export class ItemController implements Implementation<typeof ItemService> {
  constructor(private readonly items: Items) {}

  async upsertItems({ collection, items }: UpsertItemsRequest, { tenant, signal, once }: Call): Promise<Result<typeof UpsertItemsResponseSchema>> {
    return { ...(await this.items.upsert(tenant, collection, items.map(toContent), signal, once((written) => written))) };
  }

  async getItem({ collection, id }: GetItemRequest, { tenant }: Call): Promise<Result<typeof ItemSchema>> {
    const { item, images } = await this.items.get(tenant, collection, id);
    return {
      id: item.id,
      title: item.title,
      body: item.body,
      images: images.map(({ sha256, bytes }) => ({ sha256, bytes })),
      attributes: item.attributes,
      createdAt: timestampFromDate(item.createdAt),
      updatedAt: timestampFromDate(item.updatedAt),
    };
  }

  async deleteItem({ collection, id }: DeleteItemRequest, { tenant, signal, once }: Call): Promise<Result<typeof DeleteItemResponseSchema>> {
    return { position: await this.items.delete(tenant, collection, id, signal, once((position) => ({ position }))) };
  }
}

function toContent({ id, title, body, images, attributes = {} }: ItemInput): ItemContent {
  return { id, title, body, attributes, images: images.map(pictureOf) };
}
