import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Configuration } from '../configuration.ts';
import type { Finding } from './finding.ts';

const neededBytes = 1e9;

/** Room and rights in the data folder, or where it will be made. */
export async function checkDisk({ dataDir }: Configuration): Promise<Finding[]> {
  const folder = await nearestFolder(dataDir);
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  const isWritable = await access(folder, constants.W_OK).then(() => true, () => false);
  return [
    {
      part: 'disk',
      seen: `${(freeBytes / 1e9).toFixed(1)} GB free for ${dataDir}`,
      ...(freeBytes < neededBytes ? { remedy: 'free at least 1 GB, or point TOUCHSTONE_DATA_DIR to a larger disk' } : {}),
    },
    {
      part: 'data folder',
      seen: isWritable ? `${folder} can be written` : `${folder} cannot be written by this user`,
      ...(isWritable ? {} : { remedy: 'give this user the folder, or set TOUCHSTONE_DATA_DIR' }),
    },
  ];
}

async function nearestFolder(path: string): Promise<string> {
  return (await stat(path).catch(() => undefined)) ? path : nearestFolder(dirname(path));
}
