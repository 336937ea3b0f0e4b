import { Problem, Reason } from '@touchstone/contracts';
import type { VectorRefused } from './own-vectors.ts';

export const itemNotFound = (collection: string, id: string) =>
  new Problem({
    reason: Reason.ITEM_NOT_FOUND,
    detail: `The collection ${collection} has no item ${id}.`,
    violations: [{ pointer: '/id', detail: 'no such item' }],
  });

export const imageNotFound = (id: string, part: number, images: number) =>
  new Problem({
    reason: Reason.IMAGE_NOT_FOUND,
    detail: `The item ${id} has no picture ${part}: it has ${images}, counted from 0.`,
    violations: [{ pointer: '/part', detail: 'no such picture' }],
  });

/** Items that were written before pictures were kept: docs/decisions/0014. */
export const imageNotKept = (id: string, part: number) =>
  new Problem({
    reason: Reason.IMAGE_NOT_FOUND,
    detail: `The file of picture ${part} of item ${id} was not kept when it was written. Write the item again.`,
    violations: [{ pointer: '/part', detail: 'its file is not there' }],
  });

/** @param pointer of the first item that has no room. */
export const itemQuotaExceeded = (stored: number, more: number, limit: number, pointer: string) =>
  new Problem({
    reason: Reason.ITEM_QUOTA_EXCEEDED,
    detail: `Your collections have ${stored} items; ${more} more would exceed the ${limit} that you may store. Delete items or ask for more.`,
    violations: [{ pointer, detail: `is the first of ${more} new items that finds no room` }],
  });

/** Which of two items with one id is meant cannot be known, so none is written. */
export const duplicateId = (id: string, first: number, second: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `The id ${id} comes twice.`,
    violations: [{ pointer: `/items/${second}/id`, detail: `is the id of /items/${first} already` }],
  });

const maximumPictures = 32;

/** Counts the pictures of a request. */
export function refuseTooManyPictures(items: readonly { readonly images: readonly unknown[] }[]): void {
  const count = items.reduce((sum, { images }) => sum + images.length, 0);
  if (count <= maximumPictures) return;
  throw new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `A request brings at most ${maximumPictures} pictures and this one has ${count}.`,
    violations: [{ pointer: '/items', detail: `${count} pictures; split the request` }],
  });
}

export const attributesTooLarge = (index: number, bytes: number, limit: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `Attributes take at most ${limit} bytes as JSON and these have ${bytes}.`,
    violations: [{ pointer: `/items/${index}/attributes`, detail: `${bytes} bytes` }],
  });

/** A filter could not tell it from the field of that name, which every item has. */
export const attributeReserved = (index: number, name: string) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `No attribute is called ${name}: it is a field of the item.`,
    violations: [{ pointer: `/items/${index}/attributes/${name}`, detail: `say it as /items/${index}/${name}` }],
  });

const vectorReasons = { 'space-not-found': Reason.SPACE_NOT_FOUND, 'wrong-dimension': Reason.WRONG_DIMENSION, 'invalid-request': Reason.INVALID_REQUEST };

/** @param place JSON pointer of the item's vectors. */
export const vectorRefused = (place: string, { why, pointer, message }: VectorRefused) =>
  new Problem({ reason: vectorReasons[why], detail: 'A vector cannot be used; nothing was written.', violations: [{ pointer: `${place}${pointer}`, detail: message }] });

/** An item that can be found by nothing is a mistake of its writer. */
export const nothingToFind = (pointer: string, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `An item needs a title, a body, a picture or a vector for the spaces ${spaces.join(', ')}.`,
    violations: [{ pointer, detail: 'has nothing that it could be found by in the collection' }],
  });
