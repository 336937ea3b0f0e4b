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
import { refuseTooManyPictures } from './item.errors.ts';
import { Pictures } from './pictures.service.ts';

@GrpcController(ItemService)
export class ItemController implements Implementation<typeof ItemService> {
  constructor(
    private readonly items: Items,
    private readonly pictures: Pictures,
  ) {}

  async upsertItems({ collection, items }: UpsertItemsRequest, call: Call): Promise<Result<typeof UpsertItemsResponseSchema>> {
    const { tenant, signal, once } = call;
    return { ...(await this.items.upsert(tenant, collection, await this.contentsOf(items, call), signal, once((written) => written))) };
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

  /** What the items say, with the files of their pictures. */
  private async contentsOf(items: readonly ItemInput[], call: Call): Promise<ItemContent[]> {
    refuseTooManyPictures(items); // before a single one is fetched
    const inputs = items.flatMap(({ images }, index) => images.map((image, part) => ({ image, pointer: `/items/${index}/images/${part}` })));
    const pictures = await this.pictures.load(inputs, call);
    return items.map(({ id, title, body, images, attributes = {} }) => ({ id, title, body, attributes, images: pictures.splice(0, images.length) }));
  }
}
