import { ContractServer, Problem, Reason } from '@touchstone/contracts';
import { BlobService } from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';
import { AuditService } from '@touchstone/contracts/gen/touchstone/gateway/v1/audit_pb';
import { KeyService } from '@touchstone/contracts/gen/touchstone/gateway/v1/key_pb';
import { TenantService } from '@touchstone/contracts/gen/touchstone/gateway/v1/tenant_pb';
import { DatabaseUnavailable } from '@touchstone/persistence';
import type { CallerTokenVerifier } from '@touchstone/runtime/tenant';

/** The contracts that the gateway itself implements. */
export const gatewayContracts = [BlobService, TenantService, KeyService, AuditService];

/**
 * The server of the gateway's own contracts, for clients through the door and for services behind it. It answers once
 * the gateway that it is given to has started.
 *
 * @param listen `host:port` or `unix:path` for services of other processes.
 */
export function gatewayContractServer({ verifier, listen }: { verifier: CallerTokenVerifier; listen?: string }): ContractServer {
  return new ContractServer({ services: gatewayContracts, verifier, listen, problemOf });
}

function problemOf(error: unknown): Problem | undefined {
  if (!(error instanceof DatabaseUnavailable)) return undefined;
  return new Problem({ reason: Reason.UNAVAILABLE, detail: 'The database does not answer.', retryAfterSeconds: 2 }, { cause: error });
}
