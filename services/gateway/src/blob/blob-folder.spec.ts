import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobFolder } from './blob-folder.ts';
import { describeBlobStore } from './blob-store.contract.ts';

describeBlobStore('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-blob-store-'));
  // What was received and dropped is gone; what was kept moved away.
  const received = async () => (await new BlobFolder(folder).tenants().then((tenants) => Promise.all(tenants.map((tenant) => new BlobFolder(folder).old(tenant, new Date(Date.now() + 3_600_000)))))).flatMap(({ parts }) => parts).length;
  return { open: () => new BlobFolder(folder), received, close: () => rm(folder, { recursive: true, force: true }) };
});
