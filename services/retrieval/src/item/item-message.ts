import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Result } from '@touchstone/contracts';
import type { ItemSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { kindsOf } from '../index/kind-set.ts';
import type { ShownItem } from './items.service.ts';

/** An item as the contract shows it. */
export function toItemMessage({ item, images, parts }: ShownItem): Result<typeof ItemSchema> {
  return {
    id: item.id,
    title: item.title,
    body: item.body,
    images: images.map(({ sha256, bytes, ocrText }) => ({ sha256, bytes, ocrText })),
    attributes: item.attributes,
    category: item.category,
    author: item.author,
    createdAt: timestampFromDate(item.createdAt),
    storedAt: timestampFromDate(item.storedAt),
    updatedAt: timestampFromDate(item.updatedAt),
    parts: parts.map(({ space, kinds, part, modelVersion, isOwn }) => ({ space, kinds: [...kindsOf(kinds)], part, modelVersion, isOwn })),
  };
}
