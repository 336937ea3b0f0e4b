import { expect, it } from 'vitest';
import { PostgresStartFailure } from './start-failure.ts';

const place = { folder: '/data/postgres', port: 5432, freeBytes: 1e9 };

// Lines that PostgreSQL 18.4 wrote.
it.each([
  ['disk-full', 'FATAL:  could not write to file "base/4/1249": No space left on device', place, 'the disk of /data/postgres is full'],
  ['disk-full', 'LOG:  database system is shut down', { ...place, freeBytes: 0 }, 'the disk of /data/postgres is full'],
  ['port-in-use', 'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use', place, 'port 5432 is in use'],
  ['folder-in-use', 'FATAL:  lock file "postmaster.pid" already exists', place, 'another PostgreSQL uses /data/postgres'],
  ['no-access', 'initdb: error: could not access directory "/data/postgres/x": Permission denied', place, 'cannot be entered'],
  ['unknown', 'FATAL:  something new', place, 'see /data/postgres/log'],
] as const)('%s: %s', (reason, log, where, words) => {
  const failure = new PostgresStartFailure(log, where);
  expect(failure.reason).toBe(reason);
  expect(failure.message).toContain(words);
  expect(failure.message).toContain(log);
});
