import { createHash, randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Tenant } from '@touchstone/runtime/tenant';
import { diskFull, tooLarge } from './blob.errors.ts';
import { BlobStore, type ByteRange, type IncomingBytes, type ReceivedFile } from './blob-store.ts';

/**
 * The files of blobs, one folder a tenant:
 *
 *     <tenant>/<first two digits>/<sha256>    blobs
 *     <tenant>/incoming/<random>              what comes in, and parts of uploads
 *
 * A file gets its last name only when it is whole and on the disk. Names come from hashes and random numbers alone.
 */
export class BlobFolder extends BlobStore {
  constructor(private readonly root: string) {
    super();
  }

  /** Waits until the disk has it. */
  async receive(tenant: Tenant, { source, announcedBytes = 0 }: IncomingBytes, limitBytes: number): Promise<ReceivedFile> {
    if (announcedBytes > limitBytes) throw tooLarge(limitBytes);
    const path = join(this.root, tenant.id, 'incoming', randomUUID());
    const file = await create(path);
    const hash = createHash('sha256');
    let bytes = 0;
    let failure: unknown;
    try {
      const chunks = source[Symbol.asyncIterator]();
      for (;;) {
        const next = await chunks.next().catch((error: unknown) => {
          failure = error;
          return { done: true, value: undefined } as const;
        });
        if (next.done) break;
        bytes += next.value.byteLength;
        if (bytes > limitBytes) throw tooLarge(limitBytes);
        hash.update(next.value);
        await writeAll(file, next.value);
      }
      await file.sync();
      return { path, bytes, sha256: hash.digest('hex'), ...(failure === undefined ? {} : { failure }) };
    } catch (error) {
      await rm(path, { force: true });
      throw isDiskFull(error) ? diskFull(error) : error;
    } finally {
      await file.close();
    }
  }

  /** Gives a received file its last name, durably. */
  async keep(tenant: Tenant, { path, sha256 }: ReceivedFile): Promise<void> {
    const target = this.pathOf(tenant, sha256);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rename(path, target);
    for (const folder of [dirname(target), dirname(dirname(target))]) await syncFolder(folder);
  }

  has(tenant: Tenant, id: string): Promise<boolean> {
    return stat(this.pathOf(tenant, id)).then(
      () => true,
      () => false,
    );
  }

  /** Bytes in pieces of 256 KB; all of them, also when the file is removed meanwhile. */
  async read(tenant: Tenant, id: string, range?: ByteRange): Promise<Readable> {
    const file = await open(this.pathOf(tenant, id), 'r');
    return file.createReadStream({ highWaterMark: 256 * 1024, ...range });
  }

  async remove(tenant: Tenant, id: string): Promise<void> {
    await rm(this.pathOf(tenant, id), { force: true });
  }

  async discard({ path }: Pick<ReceivedFile, 'path'>): Promise<void> {
    await rm(path, { force: true });
  }

  async keepPart(_: Tenant, { path }: ReceivedFile): Promise<string> {
    return basename(path); // It is where it stays.
  }

  async readPart(tenant: Tenant, name: string): Promise<Readable> {
    return createReadStream(this.partPath(tenant, name), { highWaterMark: 1024 * 1024 });
  }

  async removePart(tenant: Tenant, name: string): Promise<void> {
    await rm(this.partPath(tenant, name), { force: true });
  }

  /** Every tenant that has a folder. */
  async tenants(): Promise<Tenant[]> {
    return (await namesIn(this.root)).filter((name) => /^[0-9a-f-]{36}$/.test(name)).map((id) => ({ id }));
  }

  async old(tenant: Tenant, before: Date): Promise<{ blobs: string[]; parts: string[] }> {
    const blobs: string[] = [];
    const folder = join(this.root, tenant.id);
    for (const name of await namesIn(folder)) if (/^[0-9a-f]{2}$/.test(name)) blobs.push(...(await oldNames(join(folder, name), before)));
    return { blobs, parts: await oldNames(join(folder, 'incoming'), before) };
  }

  async check(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    await access(this.root, constants.W_OK);
  }

  private partPath(tenant: Tenant, name: string): string {
    return join(this.root, tenant.id, 'incoming', name);
  }

  private pathOf(tenant: Tenant, id: string): string {
    return join(this.root, tenant.id, id.slice(0, 2), id);
  }
}

/** Creates the file and, when it is the first of its tenant, the folders. */
async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw isDiskFull(error) ? diskFull(error) : error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return open(path, 'wx', 0o600);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) at += (await file.write(bytes, at)).bytesWritten;
}

/** A new name is durable once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

async function oldNames(folder: string, before: Date): Promise<string[]> {
  const old: string[] = [];
  for (const name of await namesIn(folder)) {
    const facts = await stat(join(folder, name)).catch(() => undefined);
    if (facts && facts.mtime < before) old.push(name);
  }
  return old;
}

function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '');
}
