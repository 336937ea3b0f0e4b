import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import type { HttpBodySchema } from '@touchstone/contracts/gen/google/api/httpbody_pb';
import {
  type DeleteItemRequest,
  type DeleteItemResponseSchema,
  type GetItemImageRequest,
  type GetItemRequest,
  type ItemInput,
  type ItemSchema,
  ItemService,
  type UpsertItemsRequest,
  type UpsertItemsResponseSchema,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { Pictures } from '@touchstone/files';
import { Collections } from '../collection/collections.service.ts';
import type { ItemContent } from './item-content.ts';
import { refuseTooManyPictures, vectorRefused } from './item.errors.ts';
import { toItemMessage } from './item-message.ts';
import { ItemPictures } from './item-pictures.service.ts';
import { Items } from './items.service.ts';
import { givenVectors } from './given-vectors.ts';
import { ownVectors, VectorRefused } from './own-vectors.ts';
import { pictureType } from './picture-type.ts';

@GrpcController(ItemService)
export class ItemController implements Implementation<typeof ItemService> {
  constructor(
    private readonly items: Items,
    private readonly itemPictures: ItemPictures,
    private readonly pictures: Pictures,
    private readonly collections: Collections,
  ) {}

  async upsertItems({ collection, items }: UpsertItemsRequest, call: Call): Promise<Result<typeof UpsertItemsResponseSchema>> {
    const { tenant, signal, once } = call;
    const contents = await this.contentsOf(collection, items, call);
    return { ...(await this.items.upsert(tenant, collection, contents, signal, once((written) => written))) };
  }

  async getItem({ collection, id }: GetItemRequest, { tenant }: Call): Promise<Result<typeof ItemSchema>> {
    return toItemMessage(await this.items.get(tenant, collection, id));
  }

  async getItemImage({ collection, id, part }: GetItemImageRequest, { tenant }: Call): Promise<Result<typeof HttpBodySchema>> {
    const data = await this.itemPictures.read(tenant, collection, id, part);
    return { contentType: pictureType(data), data, extensions: [] };
  }

  async deleteItem({ collection, id }: DeleteItemRequest, { tenant, signal, once }: Call): Promise<Result<typeof DeleteItemResponseSchema>> {
    return { position: await this.items.delete(tenant, collection, id, signal, once((position) => ({ position }))) };
  }

  /** What the items say, with their vectors and the files of their pictures. */
  private async contentsOf(name: string, items: readonly ItemInput[], call: Call): Promise<ItemContent[]> {
    refuseTooManyPictures(items); // before a single one is fetched
    const hasVectors = items.some(({ vectors }) => Object.keys(vectors).length > 0);
    const spaces = hasVectors ? (await this.collections.get(call.tenant, name)).collection.spaces : [];
    const vectors = items.map(({ vectors, images }, index) => {
      try {
        return ownVectors(givenVectors(vectors), spaces, images.length);
      } catch (error) {
        throw error instanceof VectorRefused ? vectorRefused(`/items/${index}/vectors`, error) : error;
      }
    });
    const inputs = items.flatMap(({ images }, index) => images.map((image, part) => ({ image, pointer: `/items/${index}/images/${part}` })));
    const pictures = await this.pictures.load(inputs, call);
    return items.map(({ id, title, body, images, category, author, createdAt, attributes = {} }, index) => ({
      id,
      title,
      body,
      category,
      author,
      createdAt: createdAt && timestampDate(createdAt),
      attributes,
      images: pictures.splice(0, images.length).map((picture, part) => ({ ...picture, ocrText: images[part].ocrText })),
      vectors: vectors[index],
    }));
  }
}
