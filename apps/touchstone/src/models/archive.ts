import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { openPromise, type Entry, type ZipFile } from 'yauzl';

/**
 * Writes one member of a zip archive to a file. `outer.zip!inner` reaches into an archive inside the archive.
 *
 * @param maximumBytes size above which the last member is refused.
 * @throws Error when the archive is broken or has no such member.
 */
export async function extractMember(archive: string, member: string, target: string, maximumBytes: number): Promise<void> {
  const [name, ...inner] = member.split('!');
  if (inner.length === 0) return extract(archive, name, target, maximumBytes);

  const nested = `${target}.zip`;
  try {
    await extract(archive, name, nested, 2 ** 31);
    await extractMember(nested, inner.join('!'), target, maximumBytes);
  } finally {
    await rm(nested, { force: true });
  }
}

async function extract(archive: string, name: string, target: string, maximumBytes: number): Promise<void> {
  const zip = await openPromise(archive, { lazyEntries: true, autoClose: false });
  try {
    const entry = await find(zip, name);
    if (entry === undefined) throw new Error(`the archive has no member ${name}`);
    if (entry.uncompressedSize > maximumBytes) throw new Error(`member ${name} has ${entry.uncompressedSize} bytes, expected at most ${maximumBytes}`);
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target));
  } finally {
    zip.close();
  }
}

async function find(zip: ZipFile, name: string): Promise<Entry | undefined> {
  for await (const entry of zip.eachEntry()) if (entry.fileName === name) return entry;
  return undefined;
}
