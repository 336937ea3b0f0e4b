import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import type { OperationSchema } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { type ImportItemsRequest, ImportService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/import_pb';
import { operationMessage, Operations } from '@touchstone/operations';
import { Database } from '@touchstone/persistence';
import type { EntityManager } from 'typeorm';
import { Collections } from '../collection/collections.service.ts';
import { BlobFiles } from '@touchstone/files';
import { type ImportInput, itemsImport } from './items-import.operation.ts';

@GrpcController(ImportService)
export class ImportController implements Implementation<typeof ImportService> {
  constructor(
    private readonly database: Database,
    private readonly operations: Operations,
    private readonly collections: Collections,
    private readonly blobFiles: BlobFiles,
  ) {}

  async importItems({ collection, blobId }: ImportItemsRequest, call: Call): Promise<Result<typeof OperationSchema>> {
    await this.collections.get(call.tenant, collection);
    const token = await this.blobFiles.grant(blobId, call);
    const input: ImportInput = { collection, blobId, token, limits: { ...call.tenant.limits } };
    const enqueue = (transaction: EntityManager) => this.operations.enqueue(transaction, call.tenant, itemsImport, input);
    return operationMessage(await this.database.transaction(call.tenant, enqueue, call.once(operationMessage)));
  }
}
