import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKey } from '@touchstone/gateway';
import { log } from '@touchstone/runtime/logging';
import type { DatabaseUrls } from '../configuration.ts';

/**
 * Makes the first key of a laptop, allowed everything in the tenant `default`, and writes it to `<dataDir>/admin-key`
 * (0600). The log shows the path, never the key. A file that is there already is left alone.
 */
export async function writeAdminKey(dataDir: string, database: DatabaseUrls): Promise<void> {
  const file = join(dataDir, 'admin-key');
  if (existsSync(file)) return;
  const { key } = await createKey(database, { tenantName: 'default', scopes: ['*'], name: 'first administrator' });
  // Beside and then renamed: a killed start leaves no half key.
  await writeFile(`${file}.new`, `${key}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  log.info({ file }, 'wrote the first administrator key');
}
