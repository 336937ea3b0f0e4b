import { Problem, Reason } from '@touchstone/contracts';
import { isOwnSpace, type Space, type SpacesRefused } from './spaces.ts';

export const collectionNotFound = (name: string) =>
  new Problem({
    reason: Reason.COLLECTION_NOT_FOUND,
    detail: `There is no collection ${name}.`,
    violations: [{ pointer: '/collection', detail: 'no such collection' }],
  });

/** A collection keeps its spaces: vectors of other spaces would have to be made for every item. */
export const collectionDiffers = (name: string, spaces: readonly Space[]) => {
  const expected = spaces.map((space) => (isOwnSpace(space) ? `${space.name} (${space.dimension} numbers of ${space.modelVersion} for ${space.kinds.join(', ')})` : space.name)).join(', ');
  return new Problem({
    reason: Reason.COLLECTION_DIFFERS,
    detail: `The collection ${name} exists with the spaces ${expected}.`,
    violations: [{ pointer: '/spaces', detail: `expected ${expected}` }],
  });
};

export const spacesRefused = ({ pointer, message }: SpacesRefused) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: 'A collection cannot have these spaces.', violations: [{ pointer: `/spaces${pointer}`, detail: message }] });

/** Vectors of two models cannot be compared, so nothing is embedded into such a collection. */
export const modelDiffers = (space: string, expected: string, known: readonly string[]) =>
  new Problem({
    reason: Reason.MODEL_DIFFERS,
    detail: `The space ${space} holds vectors of ${expected}; this platform has ${known.join(', ')}.`,
  });

/** Its weights were not pulled, or the model server is away. */
export const jointModelNotReady = (index: number, version: string, reason: string) =>
  new Problem({ reason: Reason.MODEL_NOT_READY, detail: `${version} cannot embed now: ${reason}`, violations: [{ pointer: `/spaces/${index}`, detail: reason }], retryAfterSeconds: 5 });
