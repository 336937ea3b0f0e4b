import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import type { OperationSchema } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import {
  type DismissDuplicateRequest,
  type DuplicateSchema,
  DuplicateService,
  type EvidenceSchema,
  type ListDuplicatesRequest,
  type ListDuplicatesResponseSchema,
  type MergeDuplicateRequest,
  type ScanDuplicatesRequest,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/duplicate_pb';
import { operationMessage } from '@touchstone/operations';
import { type DuplicateRow, Duplicates } from './duplicates.service.ts';

@GrpcController(DuplicateService)
export class DuplicateController implements Implementation<typeof DuplicateService> {
  constructor(private readonly duplicates: Duplicates) {}

  async scanDuplicates(request: ScanDuplicatesRequest, { tenant, once }: Call): Promise<Result<typeof OperationSchema>> {
    return operationMessage(await this.duplicates.scan(tenant, request, once(operationMessage)));
  }

  async listDuplicates({ collection, limit = 50, ...filter }: ListDuplicatesRequest, { tenant }: Call): Promise<Result<typeof ListDuplicatesResponseSchema>> {
    const { rows, nextCursor } = await this.duplicates.list(tenant, collection, { ...filter, limit });
    return { duplicates: rows.map(toMessage), nextCursor };
  }

  async mergeDuplicate({ collection, id, delete: isDeleted = false }: MergeDuplicateRequest, { tenant, once }: Call): Promise<Result<typeof DuplicateSchema>> {
    return toMessage(await this.duplicates.merge(tenant, collection, id, isDeleted, once(toMessage)));
  }

  async dismissDuplicate({ collection, id }: DismissDuplicateRequest, { tenant, once }: Call): Promise<Result<typeof DuplicateSchema>> {
    return toMessage(await this.duplicates.dismiss(tenant, collection, id, once(toMessage)));
  }
}

const toMessage = (row: DuplicateRow): Result<typeof DuplicateSchema> => ({
  ...{ id: row.id, keeper: row.keeper, duplicate: row.duplicate, state: row.state, isFolded: row.is_folded, strength: row.strength },
  evidence: evidenceOf(row),
  foundAt: timestampFromDate(row.found_at),
  decidedAt: row.decided_at ? timestampFromDate(row.decided_at) : undefined,
});

/** Evidence names the parts of the item whose id comes first before those of the other one. */
function evidenceOf({ keeper, duplicate, evidence }: DuplicateRow): Result<typeof EvidenceSchema> {
  const sides = ([first, second]: readonly [number, number]) => (keeper < duplicate ? { keeperPart: first, duplicatePart: second } : { keeperPart: second, duplicatePart: first });
  return {
    isSameContent: evidence.some((piece) => piece.of === 'content'),
    pictures: evidence.flatMap((piece) => (piece.of === 'picture' ? [{ ...sides(piece.parts), isSameFile: piece.isSameFile, distance: piece.distance, quality: piece.quality }] : [])),
    vectors: evidence.flatMap((piece) =>
      piece.of === 'vector' ? [{ ...sides(piece.parts), space: piece.space, kind: piece.kind, cosine: piece.cosine, normalisedScore: piece.normalisedScore }] : [],
    ),
  };
}
