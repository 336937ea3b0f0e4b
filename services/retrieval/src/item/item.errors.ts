import { Problem, Reason } from '@touchstone/contracts';

export const itemNotFound = (collection: string, id: string) =>
  new Problem({
    reason: Reason.ITEM_NOT_FOUND,
    detail: `The collection ${collection} has no item ${id}.`,
    violations: [{ pointer: '/id', detail: 'no such item' }],
  });

/** Which of two items with one id is meant cannot be known, so none is written. */
export const duplicateId = (id: string, first: number, second: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `The id ${id} comes twice.`,
    violations: [{ pointer: `/items/${second}/id`, detail: `is the id of /items/${first} already` }],
  });

export const tooManyPictures = (count: number, limit: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `A request brings at most ${limit} pictures and this one has ${count}.`,
    violations: [{ pointer: '/items', detail: `${count} pictures; split the request` }],
  });

export const attributesTooLarge = (index: number, bytes: number, limit: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `Attributes take at most ${limit} bytes as JSON and these have ${bytes}.`,
    violations: [{ pointer: `/items/${index}/attributes`, detail: `${bytes} bytes` }],
  });

/** An item that can be found by nothing is a mistake of its writer. */
export const nothingToFind = (index: number, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `An item needs a title, a body or a picture for the spaces ${spaces.join(', ')}.`,
    violations: [{ pointer: `/items/${index}`, detail: 'has nothing that the collection could embed' }],
  });
