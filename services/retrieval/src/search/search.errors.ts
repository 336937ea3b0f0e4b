import { Problem, Reason } from '@touchstone/contracts';
import type { Space } from '../collection/spaces.ts';

export const positionNotReached = (name: string, wanted: number, reached: number) =>
  new Problem({
    reason: Reason.POSITION_NOT_REACHED,
    detail: `The index of ${name} stands at position ${reached} and not yet at ${wanted}.`,
    retryAfterSeconds: 1,
  });

const refused = (pointer: string, detail: string, violation: string) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail, violations: [{ pointer, detail: violation }] });

/** A position comes from the answer to a write; this one cannot. */
export const positionBeyondLog = (wanted: number, latest: number) =>
  refused('/minPosition', 'No write of the collection has this position.', `the newest write has the position ${latest}, not ${wanted}`);

export const filterRefused = (pointer: string, violation: string) => refused(pointer, 'The filter cannot be read.', violation);

/** A text is looked for as a text, whatever it was read from. */
export const queriedOcrText = (pointer: string) => refused(pointer, 'A picture that is looked for brings no text.', 'ask with `ocrText`, or with a `note` for both');

export const emptyNote = (pointer: string) => refused(pointer, 'A note needs a title, a body or a picture.', 'has nothing to search with');

export const tooManyPictures = (count: number, limit: number) =>
  refused('/query', `A query brings at most ${limit} pictures and this one has ${count}.`, `${count} pictures`);

export const tooManyItems = (limit: number) => refused('/limit', `At most ${limit} hits come with their items.`, `expected at most ${limit}`);

export const taskRefused = (task: string, expected: string, kind: string, pointer: string) =>
  refused('/task', `The task ${task} takes a query of the kind ${expected}.`, `does not fit ${pointer}, which is of the kind ${kind}`);

export const cursorRefused = () =>
  refused('/cursor', 'The cursor does not belong to this request.', 'expected `nextCursor` of the page before, with the same query, filter and grouping');

export const spaceNeeded = (spaces: readonly string[]) =>
  refused('/query/space', 'A vector belongs to a space, and several would do.', `expected one of ${spaces.join(', ')}`);

export const noDirection = (pointer: string, violation: string) => refused(pointer, 'The vector has no direction.', violation);

export const spaceNotFound = (name: string, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.SPACE_NOT_FOUND,
    detail: `The collection has no space ${name}.`,
    violations: [{ pointer: '/query/space', detail: `expected one of ${spaces.join(', ')}` }],
  });

/** Only vectors of one model can be compared. @param needed what would answer the query. */
export const noJointSpace = (pointer: string, needed: string, searched: readonly Space[]) =>
  new Problem({
    reason: Reason.NO_JOINT_SPACE,
    detail: `This needs ${needed}. Searched would be ${searched.map(({ name, kinds }) => `${name} (${kinds.join(', ')})`).join(', ')}.`,
    violations: [{ pointer, detail: `needs ${needed}` }],
  });

export const queryItemNotFound = (collection: string, id: string, pointer: string) =>
  new Problem({ reason: Reason.ITEM_NOT_FOUND, detail: `The collection ${collection} has no item ${id}.`, violations: [{ pointer, detail: 'no such item' }] });

export const partNotFound = (pointer: string, id: string, part: string, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.PART_NOT_FOUND,
    detail: `The item ${id} has no vector of ${part} in ${spaces.join(', ')}.`,
    violations: [{ pointer, detail: `has no vector of ${part}` }],
  });

export const wrongDimension = (pointer: string, expected: number, got: number) =>
  new Problem({
    reason: Reason.WRONG_DIMENSION,
    detail: `The space has vectors of ${expected} numbers and the query has ${got}.`,
    violations: [{ pointer, detail: `expected ${expected} numbers, got ${got}` }],
  });

const dimensionsRefused = (detail: string, violation: string) =>
  new Problem({ reason: Reason.DIMENSIONS_REFUSED, detail, violations: [{ pointer: '/dimensions', detail: violation }] });

export const dimensionsBeyond = (space: string, dimension: number, dimensions: number) =>
  dimensionsRefused(`The space ${space} has vectors of ${dimension} numbers.`, `expected at most ${dimension}, got ${dimensions}`);

export const ocrNeedsDimensions = (space: string, least: number, dimensions: number) =>
  dimensionsRefused(
    `Short prefixes tell texts in pictures apart badly: the space ${space} is searched for them with at least ${least} numbers.`,
    `expected at least ${least}, got ${dimensions}`,
  );

/** @param near names that may have been meant. */
export const unknownField = (pointer: string, field: string, near: readonly string[]) =>
  new Problem({
    reason: Reason.UNKNOWN_FIELD,
    detail: `No item of the collection has a field ${field}.`,
    violations: [{ pointer, detail: near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'no item has it' }],
  });

/** All vectors are compared with each other in the memory of one process. */
export const tooManyVectors = (most: number) =>
  new Problem({
    reason: Reason.TOO_MANY_VECTORS,
    detail: `The collection has more than ${most} vectors, and the index of this platform is in Milvus: so many are copied into memory to be compared, and no more. The operator sets TOUCHSTONE_MILVUS_COMPARED_VECTORS.`,
  });

export const versionNotComplete = (asked: string, versions: readonly string[]) =>
  new Problem({
    reason: Reason.MODEL_NOT_FOUND,
    detail: `The collection keeps no complete version ${asked}.`,
    violations: [{ pointer: '/modelVersions', detail: `expected ${versions.join(' or ')}, got ${asked}` }],
  });
