import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { UseFilters } from '@nestjs/common';
import { GrpcController, type Implementation, PassErrors, type Result } from '@touchstone/contracts';
import { AuditService, type ListAuditEntriesRequest, type ListAuditEntriesResponseSchema } from '@touchstone/contracts/gen/touchstone/gateway/v1/audit_pb';
import { Audit } from './audit.service.ts';

@UseFilters(PassErrors) // the gateway's own filter answers HTTP
@GrpcController(AuditService)
export class AuditController implements Implementation<typeof AuditService> {
  constructor(private readonly audit: Audit) {}

  async listAuditEntries({ limit = 50, cursor }: ListAuditEntriesRequest): Promise<Result<typeof ListAuditEntriesResponseSchema>> {
    const { rows, nextCursor } = await this.audit.list(limit, cursor);
    const entries = rows.map(({ at, keyId, tenantId, action, target, requestId }) => ({
      ...{ at: timestampFromDate(at), action, target },
      ...{ keyId: keyId ?? undefined, tenantId: tenantId ?? undefined, requestId: requestId ?? undefined },
    }));
    return { entries, nextCursor };
  }
}
