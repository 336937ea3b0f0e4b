import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Reason } from '@touchstone/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStore, ReceivedFile } from './blob-store.ts';

interface Place {
  /** Another process of the gateway, on the same place. */
  open(): BlobStore;
  /** Files of received bytes that are still in a process' own folder. */
  received(): Promise<number>;
  close(): Promise<void>;
}

const bytesOf = (size: number) => randomBytes(size);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const inAnHour = () => new Date(Date.now() + 3_600_000);

/** What every place of blobs does. */
export function describeBlobStore(name: string, start: () => Promise<Place>): void {
  describe(name, () => {
    let place: Place;
    let one: BlobStore;
    let other: BlobStore;
    const tenant = { id: randomUUID() };

    beforeAll(async () => {
      place = await start();
      [one, other] = [place.open(), place.open()];
    });
    afterAll(() => place?.close());

    const receive = (bytes: Uint8Array, limit = 100_000_000): Promise<ReceivedFile> => one.receive(tenant, { source: Readable.from([bytes]) }, limit);

    async function keep(bytes: Uint8Array): Promise<string> {
      const file = await receive(bytes);
      await one.keep(tenant, file);
      await one.discard(file);
      return file.sha256;
    }

    it('is there', () => one.check());

    it.each([1, 100_000, 12_000_000])('keeps %d bytes under their hash, for every process', async (size) => {
      const bytes = bytesOf(size);
      const id = await keep(bytes);
      expect(id).toBe(sha256(bytes));
      expect(await other.has(tenant, id)).toBe(true);
      expect(sha256(await buffer(await other.read(tenant, id)))).toBe(id);
      expect(await keep(bytes)).toBe(id);
      expect(await place.received()).toBe(0);
    });

    it('reads a part', async () => {
      const bytes = bytesOf(300_000);
      const id = await keep(bytes);
      for (const [start, end] of [[0, 0], [1_000, 299_999], [299_999, 299_999]]) {
        expect(Buffer.compare(await buffer(await other.read(tenant, id, { start, end })), bytes.subarray(start, end + 1))).toBe(0);
      }
    });

    it('removes a blob, also one that is not there', async () => {
      const id = await keep(bytesOf(10));
      await other.remove(tenant, id);
      await one.remove(tenant, id);
      expect(await one.has(tenant, id)).toBe(false);
    });

    it('knows a tenant’s blobs only', async () => {
      const id = await keep(bytesOf(10));
      expect(await one.has({ id: randomUUID() }, id)).toBe(false);
      expect(await other.tenants()).toContainEqual(tenant);
    });

    it('keeps nothing of what is too large or was dropped', async () => {
      await expect(receive(bytesOf(11), 10)).rejects.toMatchObject({ reason: Reason.BODY_TOO_LARGE });
      const file = await receive(bytesOf(10));
      await one.discard(file);
      expect(await one.has(tenant, file.sha256)).toBe(false);
      expect(await place.received()).toBe(0);
    });

    it('keeps what came of a source that broke', async () => {
      const file = await one.receive(tenant, { source: (async function* () { yield bytesOf(5); throw new Error('cut'); })() }, 10);
      expect(file).toMatchObject({ bytes: 5, failure: new Error('cut') });
      await one.discard(file);
    });

    it('keeps parts of an upload for every process, and removes them', async () => {
      const bytes = bytesOf(50_000);
      const part = await one.keepPart(tenant, await receive(bytes));
      expect(Buffer.compare(await buffer(await other.readPart(tenant, part)), bytes)).toBe(0);
      expect((await other.old(tenant, inAnHour())).parts).toContain(part);
      await other.removePart(tenant, part);
      expect((await one.old(tenant, inAnHour())).parts).not.toContain(part);
    });

    it('knows what is old', async () => {
      const few = await Promise.all([1, 2, 3].map((size) => keep(bytesOf(size + 20))));
      const { blobs } = await one.old(tenant, inAnHour());
      expect(blobs).toEqual(expect.arrayContaining(few));
      expect((await one.old(tenant, new Date(Date.now() - 3_600_000))).blobs).toEqual([]);
    });
  });
}
