import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg, { type Client } from 'pg';
import { explainUnavailable } from '../transaction/database-unavailable.ts';
import { ensureRoles } from './roles.ts';
import { lineAt, statements } from './statements.ts';

export interface MigrateOptions {
  /** URL of the owner of the tables, who may create roles. */
  url: string;
  services: readonly string[];
  /** URLs with which the services will log in; their passwords are given to the roles. */
  logins?: readonly string[];
  /** Folder with `<service>/0001-<title>.sql`. Default: `migrations/` of this repository. */
  folder?: string;
  onApplied?: (file: string) => void;
}

interface Migration {
  /** File name without folder: `0001-catalog.sql`. */
  name: string;
  file: string;
  sql: string;
  checksum: string;
}

/**
 * Brings the schemas of `services` up to date, forward only, each file in one transaction. Two callers at once wait for
 * each other.
 *
 * @returns files applied now, such as `retrieval/0001-catalog.sql`.
 * @throws Error that names file and line of a failing statement, or the file that was altered after it was applied.
 * @throws DatabaseUnavailable
 */
export async function migrate({ url, services, logins = [], folder = defaultFolder, onApplied }: MigrateOptions): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, application_name: 'touchstone migrate' });
  client.on('error', () => undefined); // The query that runs reports it.
  try {
    await client.connect();
    await client.query(`set lock_timeout = '60s'`);
    await client.query(`select pg_advisory_lock(hashtext('touchstone migrate'))`);
    const applied: string[] = [];
    for (const service of services) {
      await ensureRoles(client, service, logins);
      for (const migration of await pending(client, service, await read(folder, service))) {
        await apply(client, service, migration);
        applied.push(migration.file);
        onApplied?.(migration.file);
      }
    }
    return applied;
  } catch (error) {
    throw explainUnavailable(error);
  } finally {
    await client.end().catch(() => undefined); // Ends the advisory lock too.
  }
}

const defaultFolder = fileURLToPath(new URL('../../../../migrations/', import.meta.url));

async function read(folder: string, service: string): Promise<Migration[]> {
  const names = (await readdir(join(folder, service))).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name, index) => {
      const number = String(index + 1).padStart(4, '0');
      if (!name.startsWith(`${number}-`)) throw new Error(`migrations/${service}/${name}: expected the number ${number}; numbers have neither gaps nor doubles.`);
      const sql = (await readFile(join(folder, service, name), 'utf8')).replaceAll('\r\n', '\n');
      return { name, file: `${service}/${name}`, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** Checks that what was applied is what the files say, and returns the rest. */
async function pending(client: Client, service: string, migrations: Migration[]): Promise<Migration[]> {
  const table = `${client.escapeIdentifier(service)}.migration`;
  await client.query(`create table if not exists ${table} (name text primary key, checksum text not null, applied_at timestamptz not null default now())`);
  const { rows } = await client.query<{ name: string; checksum: string }>(`select name, checksum from ${table} order by name`);
  for (const [index, row] of rows.entries()) {
    const migration = migrations[index];
    if (migration?.name !== row.name) throw new Error(`The database has ${service}/${row.name}, which this version does not: it was migrated by a newer version or another branch.`);
    if (migration.checksum !== row.checksum) throw new Error(`migrations/${migration.file} was altered after it was applied here. Restore it and write a new file.`);
  }
  return migrations.slice(rows.length);
}

async function apply(client: Client, service: string, { name, file, sql, checksum }: Migration): Promise<void> {
  await client.query('begin');
  try {
    for (const statement of statements(sql)) {
      await client.query(statement.sql).catch((error) => {
        const line = statement.line + (error.position ? lineAt(statement.sql, Number(error.position) - 1) - 1 : 0);
        const hint = [error.detail, error.hint].filter(Boolean).join(' ');
        throw new Error(`migrations/${file}:${line}: ${error.message}${hint && ` (${hint})`}`, { cause: error });
      });
    }
    await client.query(`insert into ${client.escapeIdentifier(service)}.migration (name, checksum) values ($1, $2)`, [name, checksum]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
