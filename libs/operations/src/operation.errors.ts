import { Problem, Reason } from '@touchstone/contracts';
import type { OperationState } from './operation.ts';

/** Also for another tenant's: nobody learns that it is there. */
export const operationNotFound = (id: string) =>
  new Problem({
    reason: Reason.OPERATION_NOT_FOUND,
    detail: `There is no operation ${id}.`,
    violations: [{ pointer: '/id', detail: 'no such operation' }],
  });

export const operationFinished = (id: string, state: OperationState) =>
  new Problem({ reason: Reason.OPERATION_FINISHED, detail: `The operation ${id} has ${state}; it cannot be cancelled any more.` });

export const operationNotStopped = (id: string, state: OperationState) =>
  new Problem({ reason: Reason.OPERATION_NOT_STOPPED, detail: `The operation ${id} is ${state}; one that failed or was cancelled can be retried.` });
