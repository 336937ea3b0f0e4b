import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import {
  type CollectionSchema,
  CollectionService,
  type GetCollectionRequest,
  type PutCollectionRequest,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/collection_pb';
import { Collections, type CountedCollection } from './collections.service.ts';
import { isOwnSpace, type Space } from './spaces.ts';

@GrpcController(CollectionService)
export class CollectionController implements Implementation<typeof CollectionService> {
  constructor(private readonly collections: Collections) {}

  async putCollection({ collection, spaces }: PutCollectionRequest, { tenant, once }: Call): Promise<Result<typeof CollectionSchema>> {
    return toMessage(await this.collections.put(tenant, collection, spaces, once(toMessage)));
  }

  async getCollection({ collection }: GetCollectionRequest, { tenant }: Call): Promise<Result<typeof CollectionSchema>> {
    return toMessage(await this.collections.get(tenant, collection));
  }
}

export function toMessage({ collection, statistics }: CountedCollection): Result<typeof CollectionSchema> {
  const { items = 0, images = 0, upserts = 0, deletes = 0, lastChangeAt } = statistics ?? {};
  return {
    name: collection.name,
    spaces: collection.spaces.map((space) => ({ ...shown(space), isOwn: isOwnSpace(space), versions: versionsOf(space) })),
    statistics: { items, images, upserts, deletes, lastChangeAt: lastChangeAt ? timestampFromDate(lastChangeAt) : undefined },
    createdAt: timestampFromDate(collection.createdAt),
  };
}

const shown = ({ name, dimension, modelVersion, kinds }: Space) => ({ name, dimension, modelVersion, kinds: [...kinds] });

function versionsOf({ modelVersion, dimension, others = [] }: Space) {
  return [{ modelVersion, dimension, state: 'active' }, ...others.map((other) => ({ ...other }))];
}
