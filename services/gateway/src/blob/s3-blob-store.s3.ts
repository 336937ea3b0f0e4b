import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Reason } from '@touchstone/contracts';
import { type S3, startS3 } from '@touchstone/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BlobFolder } from './blob-folder.ts';
import { describeBlobStore } from './blob-store.contract.ts';
import { S3BlobStore } from './s3-blob-store.ts';

let s3: S3;
let folder: string;
beforeAll(async () => {
  s3 = await startS3();
  folder = await mkdtemp(join(tmpdir(), 'touchstone-s3-store-'));
}, 900_000);
afterAll(async () => {
  await s3?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

let opened = 0;
const folders: BlobFolder[] = [];

describeBlobStore('a bucket', async () => ({
  /** Each process has a folder of its own. */
  open() {
    const own = new BlobFolder(join(folder, String((opened += 1))));
    folders.push(own);
    return new S3BlobStore(own, s3);
  },
  async received() {
    const inAnHour = new Date(Date.now() + 3_600_000);
    const all = await Promise.all(folders.map(async (own) => Promise.all((await own.tenants()).map((tenant) => own.old(tenant, inAnHour)))));
    return all.flat().flatMap(({ parts }) => parts).length;
  },
  close: async () => undefined,
}));

it.each([
  ['a wrong secret', () => ({ ...s3, secretAccessKey: 'another' })],
  ['a bucket that is not there', () => ({ ...s3, url: s3.url.replace(/blobs$/, 'none') })],
])('says that it cannot be used with %s', async (_, options) => {
  const store = new S3BlobStore(new BlobFolder(folder), options());
  await expect(store.check()).rejects.toMatchObject({ reason: Reason.UNAVAILABLE, retryAfterSeconds: 5, cause: expect.objectContaining({ message: expect.stringMatching(/40[34]/) }) });
});
