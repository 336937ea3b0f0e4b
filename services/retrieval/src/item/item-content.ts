import type { JsonObject } from '@bufbuild/protobuf';
import type { Picture } from '@touchstone/files';
import type { OwnVector } from './own-vectors.ts';

/** A picture of an item, with the text in it. */
export interface ItemPicture extends Picture {
  /** Empty when there is none. */
  readonly ocrText: string;
}

/** An item as its writer gives it. */
export interface ItemContent {
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly images: readonly ItemPicture[];
  /** Empty when nothing was said. */
  readonly category: string;
  /** Empty when nothing was said. */
  readonly author: string;
  /** Of the content; when absent, the time at which the item is first written. */
  readonly createdAt?: Date;
  readonly attributes: JsonObject;
  readonly vectors: readonly OwnVector[];
}

/** Fields of every item that filters name as they name attributes. */
export const itemFields = ['category', 'author', 'createdAt'] as const;
