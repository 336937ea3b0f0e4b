import { existsSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate } from '@touchstone/persistence';
import { ConfigurationError } from '@touchstone/runtime/config';
import type { Configuration, DatabaseUrls } from '../configuration.ts';
import { type ServiceName, serviceNames } from '../service-names.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { isPostgresOn } from './orphan.ts';

/**
 * Runs a command's work on a service's database: the one that the environment names, the embedded one of a platform
 * that runs, or, when it is stopped, the embedded one started for as long as the work takes.
 */
export async function withServiceDatabase<T>(
  { databases, databaseUrl, dataDir }: Configuration,
  service: ServiceName,
  work: (database: DatabaseUrls) => Promise<T>,
): Promise<T> {
  const named = databases[service];
  if (named) return work(named);
  if (databaseUrl) {
    const prefix = `TOUCHSTONE_${service.toUpperCase()}`;
    throw new ConfigurationError(`${prefix}_DATABASE_URL and ${prefix}_SYSTEM_DATABASE_URL: expected the roles ${service} and ${service}_system.`);
  }
  const folder = join(dataDir, 'postgres');
  const running = await runningUrls(folder, service);
  if (running) return work(running);
  const postgres = await startEmbeddedPostgres({ dataDir: folder });
  try {
    await migrate({ url: postgres.url(), services: serviceNames });
    return await work({ url: postgres.url(service), systemUrl: postgres.url(`${service}_system`) });
  } finally {
    await postgres.stop();
  }
}

/** The way to an embedded PostgreSQL that another process runs: postmaster.pid names port and socket's folder. */
export async function runningUrls(folder: string, service: ServiceName): Promise<DatabaseUrls | undefined> {
  if (!existsSync(folder)) return undefined;
  const data = join(await realpath(folder), 'data');
  const [pid, , , port, socket] = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  if (!pid || !socket || !(await isPostgresOn(Number(pid), data))) return undefined;
  const url = (role: string) => `postgresql://${role}@localhost/touchstone?host=${encodeURIComponent(socket)}&port=${port}`;
  return { url: url(service), systemUrl: url(`${service}_system`) };
}
