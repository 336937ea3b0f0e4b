import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { UseFilters } from '@nestjs/common';
import { type Call, GrpcController, type Implementation, PassErrors, type Result } from '@touchstone/contracts';
import {
  type CreateTenantRequest,
  type ListTenantsRequest,
  type ListTenantsResponseSchema,
  type SetTenantLimitsRequest,
  type TenantSchema,
  TenantService,
} from '@touchstone/contracts/gen/touchstone/gateway/v1/tenant_pb';
import { actorOf } from '../audit/audit.service.ts';
import type { TenantRow } from '../key/api-key.entity.ts';
import { Tenants } from './tenants.service.ts';

@UseFilters(PassErrors) // the gateway's own filter answers HTTP
@GrpcController(TenantService)
export class TenantController implements Implementation<typeof TenantService> {
  constructor(private readonly tenants: Tenants) {}

  async createTenant({ name }: CreateTenantRequest, call: Call): Promise<Result<typeof TenantSchema>> {
    return toMessage(await this.tenants.create(name, actorOf(call)));
  }

  async listTenants({ limit = 50, cursor }: ListTenantsRequest): Promise<Result<typeof ListTenantsResponseSchema>> {
    const { rows, nextCursor } = await this.tenants.list(limit, cursor);
    return { tenants: rows.map(toMessage), nextCursor };
  }

  async setTenantLimits({ id, requestsPerMinute, blobBytes, items }: SetTenantLimitsRequest, call: Call): Promise<Result<typeof TenantSchema>> {
    return toMessage(await this.tenants.limit({ id }, { requestsPerMinute, blobBytes: blobBytes === undefined ? undefined : Math.floor(blobBytes), items }, actorOf(call)));
  }
}

function toMessage({ id, name, createdAt, requestsPerMinute, blobBytes, items }: TenantRow): Result<typeof TenantSchema> {
  return { id, name, createdAt: timestampFromDate(createdAt), requestsPerMinute: requestsPerMinute ?? undefined, blobBytes: blobBytes ?? undefined, items: items ?? undefined };
}
