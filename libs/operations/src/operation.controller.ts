import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import {
  type CancelOperationRequest,
  type GetOperationRequest,
  type ListOperationsRequest,
  type ListOperationsResponseSchema,
  type OperationEventSchema,
  type OperationSchema,
  OperationService,
  type RetryOperationRequest,
  type WatchOperationRequest,
} from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { isFinished, type Operation, type OperationState } from './operation.ts';
import { Operations } from './operations.ts';

/** The contract of operations, the same in every service that has some. */
@GrpcController(OperationService)
export class OperationController implements Implementation<typeof OperationService> {
  constructor(private readonly operations: Operations) {}

  async getOperation({ id }: GetOperationRequest, { tenant }: Call): Promise<Result<typeof OperationSchema>> {
    return operationMessage(await this.operations.get(tenant, id));
  }

  async listOperations(
    { limit = 50, cursor, kind, state }: ListOperationsRequest,
    { tenant }: Call,
  ): Promise<Result<typeof ListOperationsResponseSchema>> {
    const { operations, nextCursor } = await this.operations.list(tenant, { limit, cursor, kind, state: state as OperationState | undefined });
    return { operations: operations.map(operationMessage), nextCursor };
  }

  async cancelOperation({ id }: CancelOperationRequest, { tenant }: Call): Promise<Result<typeof OperationSchema>> {
    return operationMessage(await this.operations.cancel(tenant, id));
  }

  async retryOperation({ id }: RetryOperationRequest, { tenant }: Call): Promise<Result<typeof OperationSchema>> {
    return operationMessage(await this.operations.retry(tenant, id));
  }

  async *watchOperation({ id, afterSequence }: WatchOperationRequest, { tenant, signal }: Call): AsyncIterable<Result<typeof OperationEventSchema>> {
    for await (const operation of this.operations.watch(tenant, id, signal, afterSequence)) {
      const event = isFinished(operation) ? 'finished' : 'changed';
      yield { sequence: operation.sequence, event: { case: event, value: operationMessage(operation) } };
    }
  }
}

/** An operation as the contracts have it, for methods that answer with one. */
export function operationMessage({ id, kind, state, progress, result, problem, createdAt, updatedAt }: Operation): Result<typeof OperationSchema> {
  return {
    ...{ id, kind, state, result },
    progress: { done: progress.done, total: progress.total },
    problem: problem && { ...problem, violations: problem.violations.map(({ pointer, parameter, detail }) => ({ pointer, parameter, detail })) },
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  };
}
