import { Reason } from '@touchstone/contracts';
import type { Operation } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';

// A space of the platform's joint model, whose vectors are hashes here: how texts and pictures get near each other is tested
// with a model of both in apps/touchstone/src/models/joint-collection.db.spec.ts.

let database: TestDatabase;
let replica: Replica;
let collection: string;

const picture = (content: string, ocrText = '') => ({ source: { case: 'base64' as const, value: new TextEncoder().encode(content) }, ocrText });
const items = [
  { id: 'post', title: 'Title', body: 'Body', images: [picture('one', 'words in it'), picture('two')] },
  { id: 'picture', images: [picture('two')] },
  { id: 'text', title: 'Title', body: 'Body' },
];

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  replica = await startReplica(database);
});
beforeEach(async () => {
  collection = `joint-${randomUUID()}`;
  await replica.collections.putCollection({ collection, spaces: [{ name: 'joint' }] }, replica.options);
  replica.asked.notes.length = 0;
});
afterAll(async () => {
  await replica?.stop();
  await database?.drop();
});

type Item = NonNullable<Parameters<Replica['items']['upsertItems']>[0]['items']>[number];
const upsert = (changed: readonly Item[] = items) => replica.items.upsertItems({ collection, items: [...changed] }, replica.options);
const search = async (query: NonNullable<Parameters<Replica['searches']['search']>[0]['query']>, task?: string) => (await replica.searches.search({ collection, query, task, limit: 5 }, replica.options)).hits;
const reasonOf = (call: Promise<unknown>) => call.then(() => undefined, (error: { reason: Reason }) => Reason[error.reason]);
/** What is as good as equal. */
const equals = async (...query: Parameters<typeof search>) => (await search(...query)).filter(({ score }) => score > 0.9999).map(({ id, part, kinds }) => `${id} ${kinds.join('+')} ${part}`).sort();
const asked = () => replica.asked.notes.splice(0).map(({ text, pictures }) => [text, ...pictures.map((file) => new TextDecoder().decode(file))].join('|')).sort();

async function ended({ id }: { id: string }): Promise<Operation> {
  let last: Operation | undefined;
  for await (const { event } of replica.operations.watchOperation({ id }, replica.options)) last = event.value;
  return last!;
}

const reindex = async (modelVersion: string) => ended(await replica.versions.reindex({ collection, space: 'joint', modelVersion }, replica.options));

it('is made with the first pinned joint model, stays when it is put again, and is no space of one’s own', async () => {
  const again = await replica.collections.putCollection({ collection, spaces: [{ name: 'joint' }] }, replica.options);
  expect(again.spaces).toMatchObject([{ name: 'joint', dimension: 16, modelVersion: 'joint-hash@1', kinds: ['text', 'image', 'ocr', 'note'], isOwn: false, versions: [{ modelVersion: 'joint-hash@1', state: 'active' }] }]);
  expect(await reasonOf(replica.collections.putCollection({ collection, spaces: [{ name: 'joint', dimension: 16, modelVersion: 'joint-hash@1' }] }, replica.options))).toBe('COLLECTION_DIFFERS');
  const own = `own-${randomUUID()}`;
  const { spaces } = await replica.collections.putCollection({ collection: own, spaces: [{ name: 'joint', dimension: 3, modelVersion: 'mine@1' }] }, replica.options);
  expect(spaces).toMatchObject([{ dimension: 3, modelVersion: 'mine@1', isOwn: true }]);
  expect(await reasonOf(replica.collections.putCollection({ collection: own, spaces: [{ name: 'joint' }] }, replica.options))).toBe('COLLECTION_DIFFERS');
});

it('embeds texts, pictures, OCR texts and notes of both, each once, and of a changed item what changed', async () => {
  await upsert();
  const note = 'Title\nBody\nwords in it|one|two';
  expect(asked()).toEqual([note, 'Title\nBody', 'words in it', '|one', '|two'].sort());
  const { parts } = await replica.items.getItem({ collection, id: 'post' }, replica.options);
  expect(parts.map(({ kinds, part }) => `${kinds.join('+')} ${part}`).sort()).toEqual(['image 0', 'image 1', 'note 0', 'ocr 0', 'text 0']);
  await upsert([{ ...items[0], images: [picture('one', 'other words'), picture('two')] }]);
  expect(asked()).toEqual(['Title\nBody\nother words|one|two', 'other words'].sort());
});

it('finds with texts, OCR texts, pictures and notes what says the same, in every kind that the task names', async () => {
  await upsert();
  expect(await equals({ text: 'Title\nBody' })).toEqual(['post text 0', 'text text+note 0']);
  expect(await equals({ ocrText: 'words in it' })).toEqual(['post ocr 0']);
  expect(await equals({ image: picture('two') })).toEqual(['picture image+note 0', 'post image 1']);
  expect(await equals({ image: picture('two') }, 'image-to-note')).toEqual(['picture image+note 0']);
  expect(await equals({ note: { title: 'Title', body: 'Body', images: items[0].images } }, 'note-to-note')).toEqual(['post note 0']);
  expect(await equals({ note: { title: '', body: '', images: [picture('two')] } }, 'note-to-image')).toEqual(['picture image+note 0', 'post image 1']);
  expect(await equals({ text: 'Title\nBody' }, 'text-to-note')).toEqual(['text text+note 0']);
});

it('answers every task', async () => {
  await upsert();
  const queries = { text: { text: 'Title' }, ocr: { ocrText: 'words' }, image: { image: picture('three') }, note: { note: { title: 'Title', body: '', images: [picture('one')] } } };
  for (const task of ['image-to-text', 'text-to-image', 'image-to-note', 'text-to-note', 'note-to-image', 'note-to-text', 'image-to-ocr', 'ocr-to-image', 'ocr-to-note', 'note-to-note']) {
    const [query, candidate] = task.split('-to-') as [keyof typeof queries, string];
    const hits = await search(queries[query], task);
    expect(hits.length, task).toBe(candidate === 'note' ? 3 : candidate === 'ocr' ? 1 : 2);
    expect(hits.every(({ kinds }) => kinds.includes(candidate)), task).toBe(true);
  }
});

it('is built in another version from what is stored, compared, switched to and back', async () => {
  await upsert();
  expect(await reindex('joint-hash@2')).toMatchObject({ state: 'succeeded', result: { items: 3, vectors: 7, missing: 0 } });
  const labelled = { query: { image: picture('two') }, task: 'image-to-note', relevant: ['picture'] };
  const { result } = await ended(await replica.evaluations.evaluate({ collection, queries: [labelled], k: [1], modelVersions: ['joint-hash@1', 'joint-hash@2'] }, replica.options));
  const perfect = { figures: expect.arrayContaining([expect.objectContaining({ metric: 'recall', k: 1, estimate: 1 })]) };
  expect(result).toMatchObject({ tasks: [{ task: 'image-to-note', versions: [perfect, perfect] }] });
  for (const modelVersion of ['joint-hash@2', 'joint-hash@1']) {
    await replica.versions.switchModelVersion({ collection, space: 'joint', modelVersion }, replica.options);
    expect(await equals({ note: { title: 'Title', body: 'Body', images: items[0].images } })).toEqual(['post note 0']);
  }
  expect(await reasonOf(reindex('joint-hash@3'))).toBe('MODEL_NOT_READY');
  expect(await reasonOf(reindex('hash@2'))).toBe('MODEL_NOT_FOUND');
});

it('takes vectors that the caller brings, and embeds the rest', async () => {
  const vector = Array.from({ length: 16 }, (_, at) => Number(at === 3));
  await upsert([{ ...items[0], vectors: { joint: { text: vector } } }]);
  expect(asked()).toEqual(['Title\nBody\nwords in it|one|two', 'words in it', '|one', '|two'].sort());
  expect(await equals({ vector })).toEqual(['post text 0']);
});
