import { readConfiguration } from '../configuration.ts';
import { checkBlobs } from './check-blobs.ts';
import { checkDatabase } from './check-database.ts';
import { checkDisk } from './check-disk.ts';
import { checkMilvus } from './check-milvus.ts';
import { checkModels } from './check-models.ts';
import { checkPort } from './check-port.ts';

/** `doctor`: looks at everything that `serve` needs, changes nothing. @returns 1 when something is wrong. */
export async function doctor(): Promise<number> {
  const configuration = readConfiguration();
  const findings = (await Promise.all([checkDisk, checkPort, checkDatabase, checkBlobs, checkMilvus, checkModels].map((check) => check(configuration)))).flat();
  for (const { part, seen, remedy } of findings) {
    process.stdout.write(`${remedy ? 'FAULT' : 'ok   '}  ${part}: ${seen}\n`);
    if (remedy) process.stdout.write(`       -> ${remedy}\n`);
  }
  return findings.some(({ remedy }) => remedy) ? 1 : 0;
}
