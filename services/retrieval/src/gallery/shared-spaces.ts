import type { Space } from '../collection/collection.entity.ts';

/** Spaces that two collections have in common, in the version that is active in both; vectors of two models are not comparable. */
export function sharedSpaces(one: readonly Space[], other: readonly Space[]): Space[] {
  return one.filter(({ name, modelVersion }) => other.some((space) => space.name === name && space.modelVersion === modelVersion));
}
