import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Blocks of all files in a folder. */
export async function bytesOnDisk(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(entries.filter((entry) => entry.isFile()).map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).blocks * 512));
  return sizes.reduce((sum, size) => sum + size, 0);
}
