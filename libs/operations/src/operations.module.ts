import { randomUUID } from 'node:crypto';
import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { Database } from '@touchstone/persistence';
import { OperationController } from './operation.controller.ts';
import { OperationMetrics } from './operation-metrics.ts';
import { Operations, type OperationsContext } from './operations.ts';
import { OperationHandlers } from './worker/operation-handler.ts';
import { OperationQueue } from './worker/operation-queue.ts';
import { defaultLeaseMs, OperationWorker, type WorkerOptions } from './worker/operation-worker.ts';

export interface OperationsOptions extends WorkerOptions, Pick<OperationsContext, 'service' | 'newUuid' | 'watchPollMs'> {}

/**
 * Provides `Operations` to a whole service, serves the contract `OperationService`, and works on what is queued with the
 * service's `@OperationHandler` providers from the start of the application to its end. Needs `PersistenceModule`, and
 * the tables `operation` and `operation_queue` in the service's schema (migrations/retrieval/0004-operations.sql).
 */
@Module({})
export class OperationsModule {
  static forService({ service, newUuid, watchPollMs, ...options }: OperationsOptions): DynamicModule {
    return {
      module: OperationsModule,
      global: true,
      imports: [DiscoveryModule],
      controllers: [OperationController],
      providers: [
        { provide: OperationHandlers, inject: [DiscoveryService], useFactory: (discovery: DiscoveryService) => new OperationHandlers(discovery, service) },
        {
          provide: OperationWorker,
          inject: [Database, OperationHandlers],
          useFactory: (database: Database, handlers: OperationHandlers) => {
            const { leaseMs = defaultLeaseMs } = options;
            return new OperationWorker(new OperationQueue(database, { service, owner: randomUUID(), leaseMs }), handlers, { ...options, leaseMs });
          },
        },
        {
          provide: Operations,
          inject: [Database, OperationHandlers, OperationWorker],
          useFactory: (database: Database, handlers: OperationHandlers, worker: OperationWorker) =>
            new Operations(database, handlers, {
              ...{ service, newUuid, watchPollMs, clock: options.clock },
              onQueued: () => worker.wake(),
              onCancelRequested: (id) => worker.cancel(id),
            }),
        },
        { provide: OperationMetrics, inject: [Database], useFactory: (database: Database) => new OperationMetrics(database, service) },
      ],
      exports: [Operations],
    };
  }
}
