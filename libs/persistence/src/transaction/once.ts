import { keptForHours, type Once, type StoredAnswer } from '@touchstone/runtime/once';
import type { EntityManager } from 'typeorm';

interface StoredRow {
  request_hash: Buffer;
  answer: Buffer;
}

const isFresh = `created_at > now() - interval '${keptForHours} hours'`;
const lockNotAvailable = '55P03';

/**
 * Does a write unless it was done under its key before, and keeps its answer in the same transaction. The key is taken
 * first: whoever comes second waits there until the first has committed, which is answered before, or rolled back.
 *
 * @param transaction of the tenant's role; `<service>.idempotency` is under row-level security.
 */
export async function doOnce<Result>(transaction: EntityManager, service: string, once: Once<Result>, write: () => Promise<Result>): Promise<Result> {
  if (!(await takeKey(transaction, service, once))) {
    return once.answeredBefore((await findAnswer(transaction, service, once.key))!);
  }
  const result = await write();
  await transaction.query(`update ${service}.idempotency set answer = $2 where tenant_id = ${service}.current_tenant() and key = $1`, [once.key, once.toAnswer(result)]);
  return result;
}

/** The answer to an earlier write under this key of the transaction's tenant. */
export async function findAnswer(transaction: EntityManager, service: string, key: string): Promise<StoredAnswer | undefined> {
  const [row]: StoredRow[] = await transaction.query(
    `select request_hash, answer from ${service}.idempotency where tenant_id = ${service}.current_tenant() and key = $1 and ${isFresh}`,
    [key],
  );
  return row && { requestHash: row.request_hash, answer: row.answer };
}

/** For the system role, whose policy shows it nothing else. */
export const pruneStatement = (service: string) => `delete from ${service}.idempotency where not (${isFresh})`;

/** @returns whether the key is new, or its answer too old to be given again. */
async function takeKey(transaction: EntityManager, service: string, once: Once<never>): Promise<boolean> {
  await transaction.query(`select set_config('lock_timeout', $1, true)`, [`${once.waitMs}ms`]);
  try {
    const taken: unknown[] = await transaction.query(
      `insert into ${service}.idempotency as present (tenant_id, key, request_hash) values (${service}.current_tenant(), $1, $2)
       on conflict (tenant_id, key) do update set request_hash = excluded.request_hash, answer = null, created_at = now()
       where not (present.${isFresh}) returning true`,
      [once.key, once.requestHash],
    );
    await transaction.query('set local lock_timeout to default');
    return taken.length > 0;
  } catch (error) {
    if ((error as { driverError?: { code?: string } }).driverError?.code === lockNotAvailable) return once.stillRunning();
    throw error;
  }
}
