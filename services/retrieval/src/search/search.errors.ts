import { Problem, Reason } from '@touchstone/contracts';

export const positionNotReached = (name: string, wanted: number, reached: number) =>
  new Problem({
    reason: Reason.POSITION_NOT_REACHED,
    detail: `The index of ${name} stands at position ${reached} and not yet at ${wanted}.`,
    retryAfterSeconds: 1,
  });

/** A position comes from the answer to a write; this one cannot. */
export const positionBeyondLog = (wanted: number, latest: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'No write of the collection has this position.',
    violations: [{ pointer: '/minPosition', detail: `the newest write has the position ${latest}, not ${wanted}` }],
  });

export const spaceNotFound = (name: string, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.SPACE_NOT_FOUND,
    detail: `The collection has no space ${name}.`,
    violations: [{ pointer: '/query/space', detail: `expected one of ${spaces.join(', ')}` }],
  });

export const spaceNeeded = (spaces: readonly string[]) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'A vector belongs to a space, and the collection has several.',
    violations: [{ pointer: '/query/space', detail: `expected one of ${spaces.join(', ')}` }],
  });

/** Texts and pictures are compared only where one model embeds both. */
export const noJointSpace = (kind: string, space: string) =>
  new Problem({
    reason: Reason.NO_JOINT_SPACE,
    detail: `No model of the collection compares a query of the kind ${kind} with its space ${space}.`,
    violations: [{ pointer: '/query', detail: `needs the space ${kind}` }],
  });

export const wrongDimension = (expected: number, got: number) =>
  new Problem({
    reason: Reason.WRONG_DIMENSION,
    detail: `The space has vectors of ${expected} numbers and the query has ${got}.`,
    violations: [{ pointer: '/query/vector', detail: `expected ${expected} numbers, got ${got}` }],
  });

export const noDirection = (detail: string) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: 'The vector has no direction.', violations: [{ pointer: '/query/vector', detail }] });

export const notComparable = (pointer: string) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'A condition compares with strings, numbers and booleans.',
    violations: [{ pointer, detail: 'expected a string, a number or a boolean' }],
  });

/** A text is looked for as a text, whatever it was read from. */
export const queriedOcrText = () =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'A picture that is looked for brings no text.',
    violations: [{ pointer: '/query/image/ocrText', detail: 'ask with `text` for items with such a text' }],
  });
