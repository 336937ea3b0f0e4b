import { randomUUIDv7 } from 'node:crypto';
import type { JsonObject, Message } from '@bufbuild/protobuf';
import { afterCommit, type Database } from '@touchstone/persistence';
import { type Clock, systemClock } from '@touchstone/runtime/clock';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { cursorAfter, idAtCursor, isFinished, type Operation, operationId, type OperationRow, type OperationState, toOperation } from './operation.ts';
import { operationFinished, operationNotFound, operationNotStopped } from './operation.errors.ts';
import type { OperationHandlers } from './worker/operation-handler.ts';

export interface OperationFilter {
  readonly kind?: string;
  readonly state?: OperationState;
  /** At least 1. */
  readonly limit: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string;
}

export interface OperationPage {
  /** Newest first. */
  readonly operations: readonly Operation[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

export interface OperationsContext {
  readonly service: string;
  readonly clock?: Clock;
  /** UUIDs that grow with time. */
  readonly newUuid?: () => string;
  /** Longest time after which who watches learns of a change. Default 500. */
  readonly watchPollMs?: number;
  /** Called after each commit that made work. */
  readonly onQueued?: () => void;
  /** Called after each commit that asked a running operation to stop. */
  readonly onCancelRequested?: (id: string) => void;
}

const columns = 'id, kind, state, sequence, done, total, result, problem, created_at, updated_at';

/** A service's long work, as its callers see it. */
export class Operations {
  readonly #context: Required<OperationsContext>;

  constructor(
    private readonly database: Database,
    private readonly handlers: OperationHandlers,
    { clock = systemClock, newUuid = randomUUIDv7, watchPollMs = 500, onQueued = () => undefined, onCancelRequested = () => undefined, service }: OperationsContext,
  ) {
    this.#context = { service, clock, newUuid, watchPollMs, onQueued, onCancelRequested };
  }

  /**
   * Asks for work in the caller's transaction: it begins after the commit, and never when there is none.
   *
   * @param transaction of `tenant`; of either role.
   * @param kind that a handler of this service is for.
   * @param input a message of the handler's schema, or JSON when it has none.
   * @throws Error for a kind without a handler.
   */
  async enqueue(transaction: EntityManager, tenant: Tenant, kind: string, input: JsonObject | Message): Promise<Operation> {
    if (!transaction.queryRunner?.isTransactionActive) throw new Error('Operations.enqueue: needs the open transaction of the rows that the work is about.');
    const { service, newUuid, onQueued } = this.#context;
    const json = JSON.stringify(this.handlers.get(kind).toJson(input));
    const [row]: OperationRow[] = await transaction.query(
      `with queued as (insert into ${service}.operation_queue (tenant_id, id, kind) values ($1, $2, $3))
       insert into ${service}.operation (tenant_id, id, kind, input) values ($1, $2, $3, $4) returning ${columns}`,
      [tenant.id, operationId(service, newUuid()), kind, json],
    );
    afterCommit(transaction, onQueued);
    return toOperation(row);
  }

  /** @throws Problem OPERATION_NOT_FOUND */
  async get(tenant: Tenant, id: string): Promise<Operation> {
    return this.database.transaction(tenant, (transaction) => this.#find(transaction, tenant, id));
  }

  async list(tenant: Tenant, { kind, state, limit, cursor }: OperationFilter): Promise<OperationPage> {
    const { service } = this.#context;
    const before = cursor === undefined ? null : idAtCursor(service, cursor);
    const rows: OperationRow[] = await this.database.transaction(tenant, (transaction) =>
      transaction.query(
        `select ${columns} from ${service}.operation
         where tenant_id = $1 and ($2::text is null or kind = $2) and ($3::text is null or state = $3) and ($4::text is null or id < $4)
         order by id desc limit $5`,
        [tenant.id, kind ?? null, state ?? null, before, limit + 1],
      ),
    );
    const operations = rows.slice(0, limit).map(toOperation);
    return { operations, nextCursor: rows.length > limit ? cursorAfter(operations.at(-1)!) : undefined };
  }

  /**
   * Cancels an operation that waits; asks one that runs to stop, which it does within about a second.
   *
   * @throws Problem OPERATION_NOT_FOUND, OPERATION_FINISHED
   */
  async cancel(tenant: Tenant, id: string): Promise<Operation> {
    const { service, onCancelRequested } = this.#context;
    const change = (transaction: EntityManager, assignment: string) => this.#change(transaction, tenant, id, assignment);
    return this.database.systemTransaction(
      async (transaction) => {
        // The queue's row first, as workers do, so that none begins or ends in between.
        await transaction.query(`select 1 from ${service}.operation_queue where tenant_id = $1 and id = $2 for update`, [tenant.id, id]);
        const operation = await this.#find(transaction, tenant, id);
        if (operation.state === 'cancelled') return operation;
        if (isFinished(operation)) throw operationFinished(id, operation.state);
        if (operation.state === 'running') {
          afterCommit(transaction, () => onCancelRequested(id));
          return change(transaction, 'is_cancel_requested = true');
        }
        await transaction.query(`delete from ${service}.operation_queue where tenant_id = $1 and id = $2`, [tenant.id, id]);
        return change(transaction, `state = 'cancelled'`);
      },
      { tenant },
    );
  }

  /**
   * Queues a failed or cancelled operation again; it goes on from its last checkpoint.
   *
   * @throws Problem OPERATION_NOT_FOUND, OPERATION_NOT_STOPPED
   */
  async retry(tenant: Tenant, id: string): Promise<Operation> {
    const { service, onQueued } = this.#context;
    return this.database.transaction(tenant, async (transaction) => {
      const { state, kind } = await this.#find(transaction, tenant, id, 'for update');
      if (state !== 'failed' && state !== 'cancelled') throw operationNotStopped(id, state);
      await transaction.query(`insert into ${service}.operation_queue (tenant_id, id, kind) values ($1, $2, $3)`, [tenant.id, id, kind]);
      afterCommit(transaction, onQueued);
      return this.#change(transaction, tenant, id, `state = 'queued', problem = null, is_cancel_requested = false, attempts = 0`);
    });
  }

  /**
   * The operation now and after each change until it is finished.
   *
   * @param afterSequence of the last change that was seen, to go on from there.
   * @throws Problem OPERATION_NOT_FOUND
   */
  async *watch(tenant: Tenant, id: string, signal: AbortSignal, afterSequence?: number): AsyncIterable<Operation> {
    const { clock, watchPollMs } = this.#context;
    let seen = afterSequence;
    while (!signal.aborted) {
      const operation = await this.get(tenant, id);
      if (operation.sequence !== seen) yield operation;
      seen = operation.sequence;
      if (isFinished(operation)) return;
      await clock.wait(watchPollMs, signal);
    }
  }

  async #find(transaction: EntityManager, tenant: Tenant, id: string, locking = ''): Promise<Operation> {
    const [row]: OperationRow[] = await transaction.query(
      `select ${columns} from ${this.#context.service}.operation where tenant_id = $1 and id = $2 ${locking}`,
      [tenant.id, id],
    );
    if (!row) throw operationNotFound(id);
    return toOperation(row);
  }

  async #change(transaction: EntityManager, tenant: Tenant, id: string, assignment: string): Promise<Operation> {
    const [[row]]: [OperationRow[], number] = await transaction.query(
      `update ${this.#context.service}.operation set ${assignment}, sequence = sequence + 1, updated_at = now()
       where tenant_id = $1 and id = $2 returning ${columns}`,
      [tenant.id, id],
    );
    return toOperation(row);
  }
}
