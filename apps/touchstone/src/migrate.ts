import { migrate } from '@touchstone/persistence';
import { ConfigurationError } from '@touchstone/runtime/config';
import { readConfiguration } from './configuration.ts';
import { serviceNames } from './service-names.ts';

/** `migrate`: brings the schemas of all services up to date. The embedded database does so by itself at start. */
export async function migrateDatabase(): Promise<number> {
  const { databaseUrl, databases } = readConfiguration();
  if (!databaseUrl) throw new ConfigurationError('TOUCHSTONE_DATABASE_URL: expected the URL of the owner of the schemas, who may create roles.');
  const logins = Object.values(databases).flatMap((urls) => (urls ? [urls.url, urls.systemUrl] : []));
  const applied = await migrate({ url: databaseUrl, services: serviceNames, logins, onApplied: (file) => process.stdout.write(`applied ${file}\n`) });
  if (applied.length === 0) process.stdout.write('Nothing to do: the schemas are up to date.\n');
  return 0;
}
