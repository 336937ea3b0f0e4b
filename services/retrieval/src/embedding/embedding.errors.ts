import { Problem, Reason } from '@touchstone/contracts';

export const unknownModel = (name: string, known: readonly string[]) =>
  new Problem({
    reason: Reason.MODEL_NOT_FOUND,
    detail: `There is no model ${name} for texts.`,
    violations: [{ pointer: '/model', detail: `expected ${known.join(' or ')}` }],
  });

/** A vector cannot be cut: the model was not trained for it. */
export const otherDimension = (asked: number, dimension: number) =>
  new Problem({
    reason: Reason.WRONG_DIMENSION,
    detail: `The model's vectors have ${dimension} dimensions.`,
    violations: [{ pointer: '/dimension', detail: `expected ${dimension}, got ${asked}` }],
  });
