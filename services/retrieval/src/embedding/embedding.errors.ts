import { Problem, Reason } from '@touchstone/contracts';

export const unknownModel = (name: string, known: readonly string[]) =>
  new Problem({
    reason: Reason.MODEL_NOT_FOUND,
    detail: `There is no model ${name} for texts.`,
    violations: [{ pointer: '/model', detail: `expected ${known.join(' or ')}` }],
  });

/** A vector is cut only where the model was trained for it. */
export const otherDimension = (asked: number, lengths: readonly number[]) =>
  new Problem({
    reason: Reason.WRONG_DIMENSION,
    detail: `The model's vectors have ${lengths.join(' or ')} dimensions.`,
    violations: [{ pointer: '/dimension', detail: `expected ${lengths.join(' or ')}, got ${asked}` }],
  });
