import { parseArgs } from 'node:util';
import { type ApiKeys, openKeys } from '@touchstone/gateway';
import { readConfiguration } from '../configuration.ts';
import { withServiceDatabase } from '../postgres/service-database.ts';
import { UsageError } from '../usage-error.ts';

const usage = `expected one of
  keys create --tenant NAME --scope SCOPE [--scope SCOPE…] [--name TEXT] [--expires 2027-01-31]
  keys list
  keys revoke ID
A scope is <service>:<read|write|admin>, such as retrieval:read, or * for everything.`;

/** `keys create|list|revoke`: works beside a running platform, and on the stopped one of this folder. */
export async function keys([action, ...words]: readonly string[]): Promise<number> {
  const work = { create, list, revoke }[action ?? ''];
  if (!work) throw new UsageError(usage);
  return withServiceDatabase(readConfiguration(), 'gateway', async (database) => {
    const { keys: apiKeys, close } = openKeys(database);
    try {
      return await work(apiKeys, words);
    } finally {
      await close();
    }
  });
}

async function create(apiKeys: ApiKeys, words: readonly string[]): Promise<number> {
  const { tenant, scope = [], name = '', expires } = options(words);
  if (!tenant || scope.length === 0) throw new UsageError(usage);
  const expiresAt = expires === undefined ? undefined : new Date(expires);
  if (expiresAt && Number.isNaN(expiresAt.getTime())) throw new UsageError(`--expires: expected a date such as 2027-01-31, got ${expires}`);
  try {
    const { key } = await apiKeys.create({ tenantName: tenant, scopes: scope, name, expiresAt });
    process.stdout.write(`${key}\n`);
    return 0;
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
}

async function list(apiKeys: ApiKeys): Promise<number> {
  for (const key of await apiKeys.list()) {
    const state = key.revokedAt ? 'revoked' : key.expiresAt && key.expiresAt <= new Date() ? 'expired' : 'active';
    const used = key.lastUsedAt ? `used ${key.lastUsedAt.toISOString()}` : 'never used';
    process.stdout.write(`${key.id}  ${state.padEnd(7)}  ${key.tenantName}  ${key.scopes.join(',')}  ${used}  ${key.name}\n`);
  }
  return 0;
}

async function revoke(apiKeys: ApiKeys, [id]: readonly string[]): Promise<number> {
  if (!id) throw new UsageError(usage);
  if (await apiKeys.revoke(id)) return 0;
  process.stderr.write(`There is no key ${id}; \`touchstone keys list\` shows the ids.\n`);
  return 1;
}

function options(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        tenant: { type: 'string' },
        scope: { type: 'string', multiple: true },
        name: { type: 'string' },
        expires: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
}
