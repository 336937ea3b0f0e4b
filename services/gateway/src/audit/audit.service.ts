import { Injectable } from '@nestjs/common';
import { type Call, type Page, pageOf, placeAt } from '@touchstone/contracts';
import { Database } from '@touchstone/persistence';
import type { EntityManager } from 'typeorm';
import { AuditRow } from './audit.entity.ts';

/** Who acts: a key by a request, or an operator by a command, who has neither. */
export interface Actor {
  readonly keyId?: string;
  readonly tenantId?: string;
  readonly requestId?: string;
}

export type Action = 'tenant.created' | 'tenant.limited' | 'key.created' | 'key.rotated' | 'key.revoked';

export const actorOf = ({ caller, metadata }: Call): Actor => ({ keyId: caller.keyId, tenantId: caller.tenant.id, requestId: metadata.get('x-request-id') });

/** Adds an act to the log, in the transaction (of the system role) that does it. */
export async function addToAudit(transaction: EntityManager, { keyId, tenantId, requestId }: Actor, action: Action, target: string): Promise<void> {
  await transaction.query('insert into gateway.audit (key_id, tenant_id, request_id, action, target) values ($1, $2, $3, $4, $5)', [
    ...[keyId ?? null, tenantId ?? null, requestId ?? null, action, target],
  ]);
}

@Injectable()
export class Audit {
  constructor(private readonly database: Database) {}

  /** Newest first. */
  async list(limit: number, cursor?: string): Promise<Page<AuditRow>> {
    const [before] = placeAt(cursor, /^(\d{1,15})$/) ?? [];
    const rows = await this.database.systemTransaction((transaction) => {
      const query = transaction.createQueryBuilder(AuditRow, 'audit').orderBy('audit.id', 'DESC').limit(limit + 1);
      return (before === undefined ? query : query.where('audit.id < :before', { before })).getMany();
    });
    return pageOf(rows, limit, ({ id }) => String(id));
  }
}
