import { Problem, Reason } from '@touchstone/contracts';

export const galleryNotFound = (name: string) =>
  new Problem({
    reason: Reason.GALLERY_NOT_FOUND,
    detail: `There is no gallery ${name}.`,
    violations: [{ pointer: '/gallery', detail: 'no such gallery' }],
  });

/** What cannot be compared would never match, and nobody would notice. */
export const nothingInCommon = (references: string, collection: string, pointer: string) =>
  new Problem({
    reason: Reason.NO_JOINT_SPACE,
    detail: `The collections ${references} and ${collection} share no space of one model, so their items cannot be compared.`,
    violations: [{ pointer, detail: `expected a space of ${references}, of the same model` }],
  });

export const thresholdTwice = (index: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'Two thresholds are for the same category and space.',
    violations: [{ pointer: `/thresholds/${index}`, detail: 'there is one for this category and space already' }],
  });

export const watchedCollectionNotFound = (name: string, pointer: string) =>
  new Problem({
    reason: Reason.COLLECTION_NOT_FOUND,
    detail: `There is no collection ${name}.`,
    violations: [{ pointer, detail: 'no such collection' }],
  });

/** A gallery can be asked about an item of any collection. */
export const collectionNeeded = () =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'An item is named by its collection and its id.',
    violations: [{ pointer: '/collection', detail: 'expected the collection of the item' }],
  });
