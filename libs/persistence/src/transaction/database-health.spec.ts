import { expect, it } from 'vitest';
import { DatabaseUnavailable } from '../index.ts';
import { databaseHealth } from './database-health.ts';

const health = (check: () => Promise<number>) => databaseHealth({ check }, 'judging');

it.each([
  [0, true, undefined],
  [-15_000, true, undefined],
  [600_000, false, 'The clock of this machine is 600 s ahead of the database’s: set it right.'],
  [-16_000, false, 'The clock of this machine is 16 s behind the database’s: set it right.'],
])('%d ms ahead of PostgreSQL: ready is %s', async (aheadMs, isReady, detail) => {
  expect(await health(async () => aheadMs)).toEqual({ part: 'judging database', isReady, detail });
});

it('is not ready when PostgreSQL does not answer', async () => {
  expect(await health(() => Promise.reject(new DatabaseUnavailable('away')))).toEqual({ part: 'judging database', isReady: false, detail: 'away' });
});
