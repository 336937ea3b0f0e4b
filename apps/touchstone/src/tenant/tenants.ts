import { parseArgs } from 'node:util';
import { Problem } from '@touchstone/contracts';
import { openKeys, operator } from '@touchstone/gateway';
import { readConfiguration } from '../configuration.ts';
import { withServiceDatabase } from '../postgres/service-database.ts';
import { UsageError } from '../usage-error.ts';

const usage = `expected
  tenants limit NAME [--requests-per-minute N] [--blobs-mb N] [--items N]
What is left out has the default again.`;

/** `tenants limit`: works beside a running platform, and on the stopped one of this folder. */
export async function tenants([action, ...words]: readonly string[]): Promise<number> {
  const { name, ...limits } = options(words);
  if (action !== 'limit' || name === undefined) throw new UsageError(usage);
  return withServiceDatabase(readConfiguration(), 'gateway', async (database) => {
    const { tenants: all, close } = openKeys(database);
    try {
      await all.limit({ name }, limits, operator);
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

function options(words: readonly string[]): { name?: string; requestsPerMinute?: number; blobBytes?: number; items?: number } {
  try {
    const { values, positionals } = parseArgs({ args: [...words], allowPositionals: true, options: { 'requests-per-minute': { type: 'string' }, 'blobs-mb': { type: 'string' }, items: { type: 'string' } } });
    const numberOf = (option: keyof typeof values, from: number): number | undefined => {
      const given = values[option];
      if (given !== undefined && !(/^\d{1,9}$/.test(given) && Number(given) >= from)) throw new Error(`--${option}: expected a number from ${from}, got ${given}`);
      return given === undefined ? undefined : Number(given);
    };
    const blobsMb = numberOf('blobs-mb', 0);
    return { name: positionals[0], requestsPerMinute: numberOf('requests-per-minute', 1), blobBytes: blobsMb === undefined ? undefined : blobsMb * 1024 * 1024, items: numberOf('items', 0) };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
}
