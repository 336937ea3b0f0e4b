import { parseArgs } from 'node:util';
import { Problem, Reason } from '@touchstone/contracts';
import { type ApiKeys, openKeys, operator } from '@touchstone/gateway';
import { readConfiguration } from '../configuration.ts';
import { withServiceDatabase } from '../postgres/service-database.ts';
import { UsageError } from '../usage-error.ts';

const usage = `expected one of
  keys create --tenant NAME --scope SCOPE [--scope SCOPE…] [--name TEXT] [--expires 2027-01-31] [--requests-per-minute N]
  keys list
  keys rotate ID [--grace HOURS]
  keys revoke ID
A scope is <service>:<read|write|admin>, such as retrieval:read, or * for everything.`;

/** `keys create|list|rotate|revoke`: works beside a running platform, and on the stopped one of this folder. */
export async function keys([action, ...words]: readonly string[]): Promise<number> {
  const work = { create, list, rotate, revoke }[action ?? ''];
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
  const { tenant, scope = [], name = '', expires, 'requests-per-minute': limit } = options(words);
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(limit)) throw new UsageError(`--requests-per-minute: expected a number from 1, got ${limit}`);
  if (!tenant || scope.length === 0) throw new UsageError(usage);
  const expiresAt = expires === undefined ? undefined : new Date(expires);
  if (expiresAt && Number.isNaN(expiresAt.getTime())) throw new UsageError(`--expires: expected a date such as 2027-01-31, got ${expires}`);
  try {
    const { key } = await apiKeys.create({ tenantName: tenant, scopes: scope, name, expiresAt, requestsPerMinute: limit === undefined ? undefined : Number(limit) });
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
  return whenKnown(id, async () => void (await apiKeys.revoke({ id }, operator)));
}

async function rotate(apiKeys: ApiKeys, [id, ...words]: readonly string[]): Promise<number> {
  const { grace = '0' } = options(words);
  const graceHours = Number(grace);
  if (!id) throw new UsageError(usage);
  if (!(graceHours >= 0 && graceHours <= 720)) throw new UsageError(`--grace: expected hours from 0 to 720, got ${grace}`);
  return whenKnown(id, async () => {
    const { key } = await apiKeys.rotate({ id, graceHours }, operator);
    process.stdout.write(`${key}\n`);
  });
}

async function whenKnown(id: string, act: () => Promise<void>): Promise<number> {
  try {
    await act();
    return 0;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const hint = error.reason === Reason.KEY_NOT_FOUND ? ' `touchstone keys list` shows the ids.' : '';
    process.stderr.write(`${error.detail}${hint}\n`);
    return 1;
  }
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
        grace: { type: 'string' },
        'requests-per-minute': { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
}
