import type { Health } from '@touchstone/runtime/lifecycle';
import pg from 'pg';
import type { Database } from './database.ts';

/** Half of what a caller's token has left when a service gets it: two processes may differ by twice as much. */
export const allowedClockDifferenceMs = 15_000;

/** Whether a service's database answers, and agrees with this process about the time: tokens and limits rest on that. */
export async function databaseHealth(database: Pick<Database, 'check'>, service: string): Promise<Health> {
  const part = `${service} database`;
  try {
    const aheadMs = await database.check();
    if (Math.abs(aheadMs) <= allowedClockDifferenceMs) return { part, isReady: true };
    return { part, isReady: false, detail: clockDifference(aheadMs) };
  } catch (error) {
    return { part, isReady: false, detail: (error as Error).message };
  }
}

/** @param aheadMs negative when this machine is behind. */
export function clockDifference(aheadMs: number): string {
  return `The clock of this machine is ${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the database’s: set it right.`;
}

/** Asks on a connection of its own, so that it waits for no other work. @returns how far this machine's clock is ahead of PostgreSQL's. */
export async function clockAheadMs(url: string, timeoutMs: number): Promise<number> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  client.on('error', () => undefined); // The call that waits reports it.
  try {
    await client.connect();
    const askedAt = Date.now();
    const { rows } = await client.query<{ now: number }>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as now');
    return (askedAt + Date.now()) / 2 - rows[0].now;
  } finally {
    client.end().catch(() => undefined);
  }
}
