import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import type { OperationSchema } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import type { CollectionSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/collection_pb';
import {
  type DropModelVersionRequest,
  ModelVersionService,
  type ReindexRequest,
  type SwitchModelVersionRequest,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/model_version_pb';
import { operationMessage } from '@touchstone/operations';
import { toMessage } from '../collection/collection.controller.ts';
import { ModelVersions } from './model-versions.service.ts';

const defaultSample = 200;
const defaultK = 10;

@GrpcController(ModelVersionService)
export class ModelVersionController implements Implementation<typeof ModelVersionService> {
  constructor(private readonly versions: ModelVersions) {}

  async reindex({ collection, space, modelVersion, sample = defaultSample, k = defaultK, seed = 1 }: ReindexRequest, { tenant, once }: Call): Promise<Result<typeof OperationSchema>> {
    return operationMessage(await this.versions.reindex(tenant, collection, { space, modelVersion, sample, k, seed }, once(operationMessage)));
  }

  async switchModelVersion({ collection, ...version }: SwitchModelVersionRequest, { tenant, signal, once }: Call): Promise<Result<typeof CollectionSchema>> {
    return toMessage(await this.versions.switch(tenant, collection, version, signal, once(toMessage)));
  }

  async dropModelVersion({ collection, ...version }: DropModelVersionRequest, { tenant, signal, once }: Call): Promise<Result<typeof CollectionSchema>> {
    return toMessage(await this.versions.drop(tenant, collection, version, signal, once(toMessage)));
  }
}
