import { Problem, Reason } from '@touchstone/contracts';

export const duplicateNotFound = (collection: string, id: string) =>
  new Problem({ reason: Reason.DUPLICATE_NOT_FOUND, detail: `The collection ${collection} has no pair of duplicates ${id}.`, violations: [{ pointer: '/id', detail: 'no such pair' }] });

/** An item that is merged into one keeper can neither keep others nor be merged into another keeper. */
export const keeperIsDuplicate = (keeper: string, duplicate: string, other: string) =>
  new Problem({
    reason: Reason.KEEPER_IS_DUPLICATE,
    detail: `${duplicate} cannot be merged into ${keeper}: the pair ${other} was merged, and duplicates are not chained. Dismiss that pair, or delete its duplicate, first.`,
  });

export const tooManyDuplicates = (maximum: number) =>
  new Problem({
    reason: Reason.TOO_MANY_DUPLICATES,
    detail: `More than ${maximum} pairs of parts are similar: ask for a higher threshold or for fewer kinds, or delete equal items first.`,
  });

/** What the collection lacks to be scanned as asked. */
export const nothingToCompare = (kinds: readonly string[], spaces: readonly string[]) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `No space of the collection (${spaces.join(', ')}) has one of the kinds ${kinds.join(', ')}.`,
    violations: [{ pointer: '/kinds', detail: 'no such parts in these spaces' }],
  });

export const noSuchSpace = (name: string, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.SPACE_NOT_FOUND,
    detail: `The collection has no space ${name}.`,
    violations: [{ pointer: '/space', detail: `expected one of ${spaces.join(', ')}` }],
  });
