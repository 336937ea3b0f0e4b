import { type Call, type Channel, Reason } from '@touchstone/contracts';
import type { BlobPart } from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';
import { OutboundFetch } from '@touchstone/runtime/outbound-fetch';
import { expect, it } from 'vitest';
import { BlobFiles } from './blob-files.service.ts';
import { type PictureInput, Pictures } from './pictures.service.ts';

const MB = 1024 * 1024;
const noOutside = new OutboundFetch({ hosts: [] });

/** Blobs whose id is their size; notes how many pieces were read. */
function blobsBySize() {
  const read = { pieces: 0 };
  const channel = {
    async *stream(_: unknown, { id }: { id: string }) {
      yield { part: { case: 'blob', value: { id, bytes: Number(id), mediaType: 'image/png' } } } as unknown as BlobPart;
      for (let left = Number(id); left > 0; left -= MB) {
        read.pieces += 1;
        yield { part: { case: 'data', value: new Uint8Array(Math.min(left, MB)) } } as unknown as BlobPart;
      }
    },
  } as unknown as Channel;
  return { read, channel };
}

const call = { token: 'token', deadline: Date.now() + 30_000, signal: new AbortController().signal } as Call;
const blob = (bytes: number, part = 0) => ({ image: { source: { case: 'blobId', value: String(bytes) } }, pointer: `/items/0/images/${part}` }) as PictureInput;

it('keeps the order of the request', async () => {
  const pictures = await new Pictures(new BlobFiles(blobsBySize().channel), noOutside).load([blob(5), blob(3 * MB), blob(7)], call);
  expect(pictures.map(({ file, source }) => [file.byteLength, source])).toEqual([[5, 'blobId'], [3 * MB, 'blobId'], [7, 'blobId']]);
});

it('refuses a blob over 6 MB before it reads it', async () => {
  const { channel, read } = blobsBySize();
  await expect(new Pictures(new BlobFiles(channel), noOutside).load([blob(6 * MB + 1)], call)).rejects.toMatchObject({
    reason: Reason.PICTURE_REFUSED,
    violations: [{ pointer: '/items/0/images/0/blobId' }],
  });
  expect(read.pieces).toBe(0);
});

it('refuses more than 20 MB together, whichever way they come', async () => {
  const inline = { image: { source: { case: 'base64', value: new Uint8Array(6 * MB) } }, pointer: '/items/0/images/0' } as PictureInput;
  const pictures = new Pictures(new BlobFiles(blobsBySize().channel), noOutside);
  await expect(pictures.load([inline, blob(6 * MB, 1), blob(6 * MB, 2)], call)).resolves.toHaveLength(3);
  await expect(pictures.load([inline, blob(6 * MB, 1), blob(6 * MB, 2), blob(6 * MB, 3)], call)).rejects.toMatchObject({ reason: Reason.PICTURE_REFUSED });
});

it('fetches an address, at most 6 MB of it', async () => {
  const asked: unknown[] = [];
  const outside = {
    get: async (address: string, { maximumBytes }: { maximumBytes: number }) => {
      asked.push([address, maximumBytes]);
      return new Uint8Array(3);
    },
  } as unknown as OutboundFetch;
  const input = { image: { source: { case: 'url', value: 'https://pictures.test/a.png' } }, pointer: '/items/0/images/0' } as PictureInput;
  expect(await new Pictures(new BlobFiles(undefined), outside).load([input], call)).toEqual([{ file: new Uint8Array(3), source: 'url' }]);
  expect(asked).toEqual([['https://pictures.test/a.png', 6 * MB]]);
  await expect(new Pictures(new BlobFiles(undefined), noOutside).load([input], call)).rejects.toMatchObject({
    reason: Reason.PICTURE_REFUSED,
    violations: [{ pointer: '/items/0/images/0/url', detail: expect.stringContaining('TOUCHSTONE_FETCH_HOSTS') }],
  });
});

it('says what the operator lacks when there is no way to blobs', async () => {
  await expect(new Pictures(new BlobFiles(undefined), noOutside).load([blob(5)], call)).rejects.toMatchObject({ reason: Reason.UNAVAILABLE, detail: expect.stringContaining('TOUCHSTONE_GATEWAY_URL') });
});
