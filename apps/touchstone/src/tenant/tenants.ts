import { parseArgs } from 'node:util';
import { Problem } from '@touchstone/contracts';
import { openKeys, operator } from '@touchstone/gateway';
import { readConfiguration } from '../configuration.ts';
import { withServiceDatabase } from '../postgres/service-database.ts';
import { UsageError } from '../usage-error.ts';

const usage = `expected
  tenants limit NAME [--requests-per-minute N]
Without a number the tenant has the default again.`;

/** `tenants limit`: works beside a running platform, and on the stopped one of this folder. */
export async function tenants([action, ...words]: readonly string[]): Promise<number> {
  const { name, requestsPerMinute } = options(words);
  if (action !== 'limit' || name === undefined) throw new UsageError(usage);
  return withServiceDatabase(readConfiguration(), 'gateway', async (database) => {
    const { tenants: all, close } = openKeys(database);
    try {
      await all.limit({ name }, requestsPerMinute, operator);
      return 0;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      process.stderr.write(`${error.detail}\n`);
      return 1;
    } finally {
      await close();
    }
  });
}

function options(words: readonly string[]): { name?: string; requestsPerMinute?: number } {
  try {
    const { values, positionals } = parseArgs({ args: [...words], allowPositionals: true, options: { 'requests-per-minute': { type: 'string' } } });
    const given = values['requests-per-minute'];
    if (given !== undefined && !(/^\d{1,9}$/.test(given) && Number(given) >= 1)) throw new Error(`--requests-per-minute: expected a number from 1, got ${given}`);
    return { name: positionals[0], requestsPerMinute: given === undefined ? undefined : Number(given) };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
}
