import type { Space } from '../collection/collection.entity.ts';

/** Names of the spaces that two collections have in common; vectors of two models are not comparable. */
export function sharedSpaces(one: readonly Space[], other: readonly Space[]): string[] {
  return one
    .filter(({ name, modelVersion }) => other.some((space) => space.name === name && space.modelVersion === modelVersion))
    .map(({ name }) => name);
}
