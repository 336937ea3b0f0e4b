import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ConfigurationError } from '@touchstone/runtime/config';

const run = promisify(execFile);

/**
 * Ends the PostgreSQL that a killed parent left running on `data`, so that the next one is our child again; removes
 * the file of one that is gone, whose process id may by now be another program's. Call only with the folder's lock.
 */
export async function endOrphan(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) return;
  if (!(await isPostgresOn(pid, data))) return rm(file, { force: true });
  for (const { signal, waitMs } of [
    { signal: 'SIGINT', waitMs: 20_000 }, // fast shutdown: ends sessions, writes a checkpoint
    { signal: 'SIGQUIT', waitMs: 10_000 }, // at once: the next start recovers from the log
  ] as const) {
    process.kill(pid, signal);
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += 50) {
      if (!(await isPostgresOn(pid, data))) return;
      await delay(50);
    }
  }
  throw new ConfigurationError(`PostgreSQL (process ${pid}) from an earlier start uses ${data} and does not end. Stop it: kill -QUIT ${pid}`);
}

/** Whether the process is a PostgreSQL server on `data`; one that has ended and waits to be reaped is not. */
export async function isPostgresOn(pid: number, data: string): Promise<boolean> {
  const fromProc = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  if (fromProc !== undefined || process.platform === 'linux') return names(fromProc?.replaceAll('\0', ' '), data);
  return names((await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => undefined))?.stdout, data);
}

const names = (command: string | undefined, data: string) => Boolean(command?.includes('postgres') && command.includes(data));
