import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { allowedClockDifferenceMs, clockAheadMs, clockDifference } from '@touchstone/persistence';
import pg from 'pg';
import type { Configuration } from '../configuration.ts';
import { runningUrls } from '../postgres/service-database.ts';
import { serviceNames } from '../service-names.ts';
import type { Finding } from './finding.ts';

/** Whether each service's database answers and has its schema. The embedded one is only looked at while it runs. */
export async function checkDatabase({ databases, databaseUrl, dataDir }: Configuration): Promise<Finding[]> {
  const isEmbedded = !databaseUrl && serviceNames.every((name) => !databases[name]);
  if (!isEmbedded) {
    return (await Promise.all(serviceNames.map((name) => (databases[name] ? checkSchema(name, databases[name].systemUrl) : [notNamed(name)])))).flat();
  }
  const folder = join(dataDir, 'postgres');
  const urls = await runningUrls(folder, 'gateway');
  if (urls) return checkSchema('gateway', urls.systemUrl);
  return [{ part: 'database', seen: existsSync(folder) ? 'the embedded PostgreSQL is stopped' : 'an embedded PostgreSQL will be made at the first start' }];
}

async function checkSchema(service: string, url: string): Promise<Finding[]> {
  const part = `database of ${service}`;
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ exists: boolean }>('select exists (select from pg_namespace where nspname = $1)', [service]);
    const schema = rows[0].exists ? { seen: 'answers and has its schema' } : { seen: 'answers but has no schema', remedy: 'run: touchstone migrate, with TOUCHSTONE_DATABASE_URL of the owner' };
    return [{ part, ...schema }, clock(service, await clockAheadMs(url, 5_000))];
  } catch (error) {
    const name = `TOUCHSTONE_${service.toUpperCase()}_SYSTEM_DATABASE_URL`;
    return [{ part, seen: (error as Error).message, remedy: `start PostgreSQL, or correct ${name}` }];
  } finally {
    await client.end().catch(() => undefined);
  }
}

function clock(service: string, aheadMs: number): Finding {
  const part = `clock, beside the database of ${service}`;
  if (Math.abs(aheadMs) <= allowedClockDifferenceMs) return { part, seen: 'agrees' };
  return { part, seen: clockDifference(aheadMs), remedy: 'let a time service (NTP) set it: callers’ tokens and limits rest on it' };
}

function notNamed(service: string): Finding {
  const prefix = `TOUCHSTONE_${service.toUpperCase()}`;
  return { part: `database of ${service}`, seen: 'is not named', remedy: `set ${prefix}_DATABASE_URL and ${prefix}_SYSTEM_DATABASE_URL` };
}
