export { cursorAfter, type Failure, isFinished, type Operation, type OperationState, type Progress, serviceOf } from './operation.ts';
export { operationMessage } from './operation.controller.ts';
export { type OperationFilter, type OperationPage, Operations } from './operations.ts';
export { OperationsModule, type OperationsOptions } from './operations.module.ts';
export { type OperationContext, OperationHandler } from './worker/operation-handler.ts';
export { type HeldOperation, LeaseLost, type OperationStore } from './worker/operation-queue.ts';
export { defaultRetryPolicy, OperationWorker, type WorkerOptions } from './worker/operation-worker.ts';
