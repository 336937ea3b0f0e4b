import { Problem, Reason } from '@touchstone/contracts';

export const collectionNotFound = (name: string) =>
  new Problem({
    reason: Reason.COLLECTION_NOT_FOUND,
    detail: `There is no collection ${name}.`,
    violations: [{ pointer: '/collection', detail: 'no such collection' }],
  });

/** A collection keeps its spaces: vectors of other spaces would have to be made for every item. */
export const collectionDiffers = (name: string, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.COLLECTION_DIFFERS,
    detail: `The collection ${name} exists with the spaces ${spaces.join(', ')}.`,
    violations: [{ pointer: '/spaces', detail: `expected ${spaces.join(', ')}` }],
  });

/** Vectors of two models cannot be compared, so nothing is embedded into such a collection. */
export const modelDiffers = (space: string, expected: string, running: string) =>
  new Problem({
    reason: Reason.MODEL_DIFFERS,
    detail: `The space ${space} holds vectors of ${expected}; the running model is ${running}.`,
  });
