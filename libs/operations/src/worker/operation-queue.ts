import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import type { Failure, Progress } from '../operation.ts';

/** Another worker has the operation now; what this one would still write is refused. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** An operation in the hands of a worker, as it was when the worker took it. */
export interface HeldOperation {
  readonly tenant: Tenant;
  readonly id: string;
  readonly kind: string;
  /** Proof of the lease, a bigint: it grows with each change of hands. */
  readonly fencing: string;
  readonly input: JsonValue;
  readonly checkpoint: JsonObject | undefined;
  readonly progress: Progress;
  /** How often it was taken since its last checkpoint, this time included. */
  readonly attempts: number;
  readonly isCancelRequested: boolean;
}

/** How an operation ends. */
export type Outcome = { state: 'succeeded'; result: JsonObject } | { state: 'failed'; problem: Failure } | { state: 'cancelled' };

/** What a worker does with operations; OperationQueue, or the store of a simulation. */
export type OperationStore = Pick<OperationQueue, 'take' | 'renew' | 'save' | 'finish' | 'release'>;

const changed = 'sequence = sequence + 1, updated_at = now()';
/** Parameters: tenant, id, fencing. */
const whileHeld = `where tenant_id = $1 and id = $2 and fencing = $3 and state = 'running'`;

/**
 * A worker's statements on operations. Leases are timed by the database's clock, and every write is refused unless it
 * carries the fencing number of the last change of hands. Rows are locked in one order: queue, then operation.
 */
export class OperationQueue {
  /** @param owner the worker, a UUID. */
  constructor(
    private readonly database: Database,
    private readonly options: { service: string; owner: string; leaseMs: number },
  ) {}

  /**
   * Takes a due operation: of the tenant with the fewest in work anywhere, among those of the tenant that comes first or
   * not at all in `recentTenants`, among those the oldest.
   */
  async take(kinds: readonly string[], recentTenants: readonly string[]): Promise<HeldOperation | undefined> {
    const { service, owner, leaseMs } = this.options;
    return this.database.systemTransaction(async (transaction) => {
      const [due]: { tenant_id: string; id: string; kind: string }[] = await transaction.query(
        `with busy as (select tenant_id, count(*) as operations from ${service}.operation_queue where expires_at > now() group by tenant_id)
         select queue.tenant_id, id, kind from ${service}.operation_queue queue left join busy on busy.tenant_id = queue.tenant_id
         where kind = any ($1) and next_attempt_at <= now() and expires_at <= now()
         order by coalesce(busy.operations, 0), coalesce(array_position($2::uuid[], queue.tenant_id), 0), id
         limit 1 for update of queue skip locked`,
        [kinds, recentTenants],
      );
      if (!due) return undefined;

      const key = [due.tenant_id, due.id];
      await transaction.query(`select set_config('app.tenant', $1, true)`, [due.tenant_id]);
      const [free] = await transaction.query(
        `select 1 from ${service}.operation where tenant_id = $1 and id = $2 and state in ('queued', 'running') for update skip locked`,
        key,
      );
      if (!free) {
        // A worker without a lease is stuck in its last write; the database ends that before long.
        await transaction.query(`update ${service}.operation_queue set next_attempt_at = now() + interval '1 s' where tenant_id = $1 and id = $2`, key);
        return undefined;
      }
      await transaction.query(
        `update ${service}.operation_queue set owner = $3, expires_at = now() + $4 * interval '1 ms' where tenant_id = $1 and id = $2`,
        [...key, owner, leaseMs],
      );
      const [[operation]]: [OperationRow[], number] = await transaction.query(
        `update ${service}.operation set state = 'running', fencing = fencing + 1, attempts = attempts + 1, ${changed}
         where tenant_id = $1 and id = $2 returning fencing, input, checkpoint, done, total, attempts, is_cancel_requested`,
        key,
      );
      return toHeld(due, operation);
    });
  }

  /**
   * Renews the lease, and writes progress when there is some.
   *
   * @returns whether the operation is to be cancelled.
   * @throws LeaseLost
   */
  async renew(held: HeldOperation, progress: Progress | undefined): Promise<boolean> {
    const { service, leaseMs } = this.options;
    return this.#asHolder(held, async (transaction, key) => {
      await transaction.query(
        `update ${service}.operation_queue set expires_at = now() + $3 * interval '1 ms' where tenant_id = $1 and id = $2`,
        [held.tenant.id, held.id, leaseMs],
      );
      const rows: { is_cancel_requested: boolean }[] = progress
        ? (await transaction.query(
            `update ${service}.operation set done = $4, total = $5, ${changed} ${whileHeld} returning is_cancel_requested`,
            [...key, progress.done, progress.total ?? null],
          ))[0]
        : await transaction.query(`select is_cancel_requested from ${service}.operation ${whileHeld}`, key);
      return onlyRow(rows, held).is_cancel_requested;
    });
  }

  /**
   * Writes checkpoint, progress and effects in one transaction of the tenant's own role.
   *
   * @returns whether the operation is to be cancelled.
   * @throws LeaseLost, or what `effects` threw; nothing has happened then.
   */
  async save(held: HeldOperation, checkpoint: JsonObject, progress: Progress, effects?: (transaction: EntityManager) => Promise<void>): Promise<boolean> {
    const { service, leaseMs } = this.options;
    return this.database.transaction(held.tenant, async (transaction) => {
      // A process that stands still in here must not hold the next worker up for longer than its lease would.
      await transaction.query(`select set_config('idle_in_transaction_session_timeout', $1, true)`, [`${leaseMs}ms`]);
      const [rows]: [{ is_cancel_requested: boolean }[], number] = await transaction.query(
        `update ${service}.operation set checkpoint = $4, done = $5, total = $6, attempts = 1, ${changed} ${whileHeld} returning is_cancel_requested`,
        [held.tenant.id, held.id, held.fencing, JSON.stringify(checkpoint), progress.done, progress.total ?? null],
      );
      const { is_cancel_requested: isCancelRequested } = onlyRow(rows, held);
      await effects?.(transaction);
      return isCancelRequested;
    });
  }

  /** What succeeded cannot be tried again, so what it was made of goes: an input may have megabytes. @throws LeaseLost */
  async finish(held: HeldOperation, progress: Progress, outcome: Outcome): Promise<void> {
    const { service } = this.options;
    const result = outcome.state === 'succeeded' ? JSON.stringify(outcome.result) : null;
    const problem = outcome.state === 'failed' ? JSON.stringify(outcome.problem) : null;
    await this.#asHolder(held, async (transaction, key) => {
      await transaction.query(`delete from ${service}.operation_queue where tenant_id = $1 and id = $2`, [held.tenant.id, held.id]);
      const [rows] = await transaction.query(
        `update ${service}.operation set state = $4, result = $5, problem = $6, done = $7, total = $8, is_cancel_requested = false, ${changed}
         ${outcome.state === 'succeeded' ? `, input = '{}', checkpoint = null` : ''} ${whileHeld} returning id`,
        [...key, outcome.state, result, problem, progress.done, progress.total ?? null],
      );
      onlyRow(rows, held);
    });
  }

  /**
   * Gives the operation back, to be taken after `delayMs`.
   *
   * @param isCounted whether this was an attempt; false when it ended for a reason that is not its own.
   * @throws LeaseLost
   */
  async release(held: HeldOperation, progress: Progress, { delayMs, isCounted }: { delayMs: number; isCounted: boolean }): Promise<void> {
    const { service } = this.options;
    await this.#asHolder(held, async (transaction, key) => {
      await transaction.query(
        `update ${service}.operation_queue set owner = null, expires_at = '-infinity', next_attempt_at = now() + $3 * interval '1 ms'
         where tenant_id = $1 and id = $2`,
        [held.tenant.id, held.id, delayMs],
      );
      const [rows] = await transaction.query(
        `update ${service}.operation set state = 'queued', attempts = attempts - $4, done = $5, total = $6, ${changed} ${whileHeld} returning id`,
        [...key, isCounted ? 0 : 1, progress.done, progress.total ?? null],
      );
      onlyRow(rows, held);
    });
  }

  /** @param work begins with the row of the queue; `key` is tenant, id and fencing. */
  async #asHolder<T>({ tenant, id, fencing }: HeldOperation, work: (transaction: EntityManager, key: string[]) => Promise<T>): Promise<T> {
    return this.database.systemTransaction((transaction) => work(transaction, [tenant.id, id, fencing]), { tenant });
  }
}

interface OperationRow {
  fencing: string;
  input: JsonValue;
  checkpoint: JsonObject | null;
  done: number;
  total: number | null;
  attempts: number;
  is_cancel_requested: boolean;
}

function toHeld({ tenant_id, id, kind }: { tenant_id: string; id: string; kind: string }, row: OperationRow): HeldOperation {
  const { fencing, input, checkpoint, done, total, attempts, is_cancel_requested } = row;
  return {
    ...{ id, kind, fencing, input, attempts },
    tenant: { id: tenant_id },
    checkpoint: checkpoint ?? undefined,
    progress: { done, total: total ?? undefined },
    isCancelRequested: is_cancel_requested,
  };
}

function onlyRow<Row>(rows: readonly Row[], { id, fencing }: HeldOperation): Row {
  if (rows.length === 0) throw new LeaseLost(`${id} is no longer held under the fencing number ${fencing}.`);
  return rows[0];
}
