import { readFile } from 'node:fs/promises';
import supertest from 'supertest';
import { expect, it } from 'vitest';
import { api, newCollection, platform, search } from './api.ts';
import { photo } from './photos.ts';

const authorization = `Bearer ${platform.keys.first}`;

async function store(lines: readonly string[]): Promise<string> {
  const { body } = await supertest(platform.url).post('/v1/blobs').set('authorization', authorization).type('application/jsonl').send(lines.join('\n')).expect(201);
  return body.id;
}

/** Follows an operation's events to the last. */
async function watch(id: string): Promise<{ event: string; data: { [name: string]: never } }[]> {
  const answer = await fetch(`${platform.url}/v1/operations/${id}:watch`, { headers: { authorization } });
  expect(answer.status).toBe(200);
  return (await answer.text())
    .split('\n\n')
    .filter((block) => block.includes('data:'))
    .map((block) => ({ event: /^event: (.*)$/m.exec(block)![1], data: JSON.parse(/^data: (.*)$/m.exec(block)![1]) }));
}

it('imports a file as an operation, with a report of the lines that it refused', async () => {
  const path = await newCollection();
  const good = Array.from({ length: 250 }, (_, index) => JSON.stringify({ id: `note-${index}`, title: `Thought number ${index}`, attributes: { number: index } }));
  const lines = [
    ...good.slice(0, 120),
    '{"id": "broken',
    JSON.stringify({ id: 'no:id', title: 'x' }),
    ...good.slice(120),
    JSON.stringify({ id: 'note-7', title: 'The seventh, written again' }),
    JSON.stringify({ id: 'pictured', images: [{ base64: await photo(0) }] }),
    JSON.stringify({ id: 'not-a-picture', images: [{ base64: 'aGVsbG8=' }] }),
    JSON.stringify({ id: 'empty' }),
  ];
  const answer = await api().post(`${path}/items:import`, { blobId: await store(lines) }).expect(202);
  expect(answer.headers.location).toBe(`/v1/operations/${answer.body.id}`);
  expect(answer.body).toMatchObject({ kind: 'retrieval.items-import', state: 'queued' });

  const events = await watch(answer.body.id);
  expect(events.at(-1)!.event).toBe('finished');
  const { body: operation } = await api().get(answer.headers.location).expect(200);
  expect(operation).toMatchObject({ state: 'succeeded', result: { imported: 252, unchanged: 0, refused: 4 } });
  expect(operation.progress.done).toBe(operation.progress.total);
  expect(operation.result.refusals).toMatchObject([{ line: 121 }, { line: 122, pointer: '/id' }, { line: 255, pointer: '/images/0/base64' }, { line: 256 }]);

  expect(await search(path, { query: { text: 'seventh written again' }, limit: 1 })).toEqual(['note-7']);
  expect(await search(path, { query: { text: 'x' }, filter: { all: [{ field: 'number', equals: 249 }] } })).toEqual(['note-249']);
  await api().get(`${path}/items/pictured`).expect(200);

  const again = await api().post(`${path}/items:import`, { blobId: await store(good.slice(10, 20)) }).expect(202);
  await watch(again.body.id);
  expect((await api().get(again.headers.location).expect(200)).body.result).toMatchObject({ imported: 0, unchanged: 10, refused: 0 });
});

it('takes all that an item may have', async () => {
  const path = await newCollection();
  const item = { id: 'a', title: 'A sign', category: 'city', author: 'ann', createdAt: '2020-02-29T12:30:00Z', images: [{ base64: await photo(0), ocrText: 'No parking' }] };
  const lines = [item, { id: 'b', title: 'x', attributes: { author: 'an attribute may not be called so' } }, { id: 'c', title: 'x', vectors: { joint: { text: [1] } } }];
  const { body } = await api().post(`${path}/items:import`, { blobId: await store(lines.map((line) => JSON.stringify(line))) }).expect(202);
  await watch(body.id);
  const { body: operation } = await api().get(`/v1/operations/${body.id}`).expect(200);
  expect(operation.result).toMatchObject({ imported: 1, refused: 2, refusals: [{ line: 2, pointer: '/attributes/author' }, { line: 3, pointer: '/vectors/joint' }] });
  await api().post(`${path}/items:upsert`, { items: [item] }).expect(200, { upserted: 0, unchanged: 1, position: 1 });
});

it('imports Parquet, as pyarrow writes it, and says which row it refused', async () => {
  const path = await newCollection('first', { spaces: [{ name: 'text' }, { name: 'image' }, { name: 'own', dimension: 4, modelVersion: 'test@1' }] });
  const file = await readFile(new URL('../services/retrieval/src/import/fixture/items.parquet', import.meta.url));
  const { body: blob } = await supertest(platform.url).post('/v1/blobs').set('authorization', authorization).type('application/octet-stream').send(file).expect(201);
  const { body } = await api().post(`${path}/items:import`, { blobId: blob.id }).expect(202);
  await watch(body.id);
  const { body: operation } = await api().get(`/v1/operations/${body.id}`).expect(200);
  expect(operation).toMatchObject({ state: 'succeeded', progress: { done: file.length, total: file.length } });
  expect(operation.result).toMatchObject({ imported: 11, refused: 1, refusals: [{ line: 6, pointer: '/images/0/base64' }] });
  expect(await search(path, { query: { vector: [Math.cos(7), Math.sin(7), 0, 0], space: 'own' }, limit: 1 })).toEqual(['item-7']);
  expect((await api().get(`${path}/items/item-8`).expect(200)).body).toMatchObject({ title: 'Item 8: grüße 🎈', category: 'even', attributes: { number: 8, tags: ['a', 'b'], deep: { yes: true } } });
});

it('fails with the reason for Parquet that cannot be read', async () => {
  const path = await newCollection();
  const { body } = await api().post(`${path}/items:import`, { blobId: await store(['PAR1 and then nothing of the kind']) }).expect(202);
  await watch(body.id);
  const { body: operation } = await api().get(`/v1/operations/${body.id}`).expect(200);
  expect(operation).toMatchObject({ state: 'failed', problem: { reason: 'invalid-request', violations: [{ pointer: '/blobId', detail: expect.stringContaining('cannot be read') }] } });
});

it('takes vectors of the caller’s own', async () => {
  const path = await newCollection('first', { spaces: [{ name: 'text' }] });
  const vector = (peak: number) => Array.from({ length: 384 }, (_, index) => (index === peak ? 1 : 0));
  const lines = [0, 1, 2].map((peak) => JSON.stringify({ id: `peak-${peak}`, vectors: { text: { text: vector(peak) } } }));
  const { body } = await api().post(`${path}/items:import`, { blobId: await store(lines) }).expect(202);
  await watch(body.id);
  expect(await search(path, { query: { vector: vector(1), space: 'text' }, limit: 1 })).toEqual(['peak-1']);
});

it('refuses a blob and a collection that are not there, or another tenant’s', async () => {
  const path = await newCollection();
  const blobId = await store(['{"id": "a", "title": "b"}']);
  await api().post(`${path}/items:import`, { blobId: '0'.repeat(64) }).expect(404);
  await api().post('/v1/collections/nowhere/items:import', { blobId }).expect(404);
  await api('second').put(path).expect(200);
  await api('second').post(`${path}/items:import`, { blobId }).expect(404);
  await api('writer').post(`${path}/items:import`, { blobId }).expect(403);
  await api().post(`${path}/items:import`, { blobId: 'x' }).expect(400);
});
