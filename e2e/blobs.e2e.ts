import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { api, type KeyName, newCollection, platform, search } from './api.ts';
import { photoBytes } from './photos.ts';

async function store(bytes: Buffer, key: KeyName = 'first'): Promise<string> {
  const answer = await fetch(`${platform.url}/v1/blobs`, {
    method: 'POST', headers: { authorization: `Bearer ${platform.keys[key]}`, 'content-type': 'image/jpeg' }, body: new Uint8Array(bytes),
  });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}

it('a picture that was stored as a blob is embedded and searched by its id', async () => {
  const collection = await newCollection();
  const [one, other] = await Promise.all([0, 1].map(async (index) => store(await photoBytes(index))));
  const items = [{ id: 'one', images: [{ blobId: one }] }, { id: 'other', images: [{ blobId: other }, { base64: (await photoBytes(2)).toString('base64') }] }];
  await api().post(`${collection}/items:upsert`, { items }).expect(200);
  expect((await search(collection, { query: { image: { blobId: one } } }))[0]).toBe('one');
  expect((await search(collection, { query: { image: { base64: (await photoBytes(1)).toString('base64') } } }))[0]).toBe('other');
  const { body } = await api().get(`${collection}/items/one`).expect(200);
  expect(body.images[0].sha256).toBe(one);
});

it('an upload in pieces becomes such a blob', async () => {
  const collection = await newCollection();
  const bytes = await photoBytes(3);
  const id = createHash('sha256').update(bytes).digest('hex');
  const { body: upload } = await api().post('/v1/uploads', { bytes: bytes.length, mediaType: 'image/jpeg', sha256: id }).expect(201);
  for (const [start, end] of [[0, 1000], [1000, bytes.length]]) {
    const answer = await fetch(`${platform.url}/v1/uploads/${upload.id}`, {
      method: 'PATCH', headers: { authorization: `Bearer ${platform.keys.first}`, 'upload-offset': String(start) }, body: new Uint8Array(bytes.subarray(start, end)),
    });
    expect(answer.status).toBe(200);
  }
  await api().post(`${collection}/items:upsert`, { items: [{ id: 'piecewise', images: [{ blobId: id }] }] }).expect(200);
});

it.each([
  ['that nobody has', async () => '0'.repeat(64)],
  ['of another tenant', async () => store(Buffer.from('a text of the second tenant'), 'second')],
  ['that is no picture', async () => store(Buffer.from('no picture at all'))],
])('a blob %s is refused with its pointer, and nothing is written', async (_, blob) => {
  const collection = await newCollection();
  const blobId = await blob();
  const items = [{ id: 'good', title: 'good' }, { id: 'bad', images: [{ base64: (await photoBytes(0)).toString('base64') }, { blobId }] }];
  const { body } = await api().post(`${collection}/items:upsert`, { items }).expect(422);
  expect(body).toMatchObject({ type: '/problems/picture-refused', violations: [{ pointer: '/items/1/images/1/blobId' }] });
  await api().get(`${collection}/items/good`).expect(404);
});

it('an address is not fetched from a host that the operator did not name', async () => {
  const collection = await newCollection();
  const items = [{ id: 'one', images: [{ url: 'https://169.254.169.254/latest/meta-data' }] }];
  const { body } = await api().post(`${collection}/items:upsert`, { items }).expect(422);
  expect(body).toMatchObject({ type: '/problems/picture-refused', violations: [{ pointer: '/items/0/images/0/url' }] });
  expect(body.violations[0].detail).toContain('TOUCHSTONE_FETCH_HOSTS');
  await api().post(`${collection}/search`, { query: { image: { url: 'https://169.254.169.254/' } } }).expect(422);
});

it('a key that may not read blobs cannot read them through an item', async () => {
  const collection = await newCollection();
  const blobId = await store(await photoBytes(0));
  const { body } = await api('writer').post(`${collection}/items:upsert`, { items: [{ id: 'one', images: [{ blobId }] }] }).expect(403);
  expect(body.detail).toContain('blobs:read');
});
