import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Call, GrpcController, type Implementation, Problem, Reason, type Result } from '@touchstone/contracts';
import type { OperationSchema } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { type EvaluateRequest, EvaluateRequestSchema, EvaluationService, type LabelledQuery } from '@touchstone/contracts/gen/touchstone/retrieval/v1/evaluation_pb';
import { BlobFiles, pictureMissing } from '@touchstone/files';
import { operationMessage, Operations } from '@touchstone/operations';
import { Database } from '@touchstone/persistence';
import type { EntityManager } from 'typeorm';
import { Collections } from '../collection/collections.service.ts';
import { picturesOfQuery } from '../search/queries.service.ts';
import { searchedVersions } from '../search/searches.service.ts';
import { type EvaluationInput, evaluationKind } from './evaluation.operation.ts';
import { filterOf, pointingTo } from './labelled-search.ts';

@GrpcController(EvaluationService)
export class EvaluationController implements Implementation<typeof EvaluationService> {
  constructor(
    private readonly database: Database,
    private readonly operations: Operations,
    private readonly collections: Collections,
    private readonly blobFiles: BlobFiles,
  ) {}

  async evaluate(request: EvaluateRequest, call: Call): Promise<Result<typeof OperationSchema>> {
    const { collection } = await this.collections.get(call.tenant, request.collection);
    for (const modelVersion of request.modelVersions) searchedVersions(collection.spaces, modelVersion);
    request.queries.forEach(refuseWrong);
    const input: EvaluationInput = { request: toJson(EvaluateRequestSchema, request) as JsonObject, token: await this.tokenFor(request, call) };
    const enqueue = (transaction: EntityManager) => this.operations.enqueue(transaction, call.tenant, evaluationKind, input);
    return operationMessage(await this.database.transaction(call.tenant, enqueue, call.once(operationMessage)));
  }

  /** A token that reads the caller's blobs; empty when no query needs one. @throws Problem picture-refused for a blob that is not there */
  private async tokenFor({ queries }: EvaluateRequest, call: Call): Promise<string> {
    const pictures = queries.flatMap(({ query }, index) => picturesOfQuery(query!).map(({ image, pointer }) => ({ source: image.source, pointer: `/queries/${index}${pointer}/blobId` })));
    const first = pictures.find(({ source }) => source.case === 'blobId');
    if (first?.source.case !== 'blobId') return '';
    return this.blobFiles.grant(first.source.value, call).catch((error: unknown) => {
      throw error instanceof Problem && error.reason === Reason.BLOB_NOT_FOUND ? pictureMissing(first.pointer, error) : error;
    });
  }
}

/** What can be seen of a query before it is searched. */
function refuseWrong({ query, filter, relevant, grades }: LabelledQuery, index: number): void {
  if (grades.length > 0 && grades.length !== relevant.length) throw gradesDiffer(index, relevant.length, grades.length);
  try {
    filterOf(filter);
    picturesOfQuery(query!);
  } catch (error) {
    throw pointingTo(index, error);
  }
}

const gradesDiffer = (index: number, relevant: number, grades: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'There is a grade for each relevant item, or none.',
    violations: [{ pointer: `/queries/${index}/grades`, detail: `expected ${relevant}, got ${grades}` }],
  });
