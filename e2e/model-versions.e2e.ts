import { runTouchstone } from '@touchstone/testing';
import supertest from 'supertest';
import { beforeAll, expect, it, vi } from 'vitest';
import { api, newCollection, platform, search } from './api.ts';
import { photo, photoVariant } from './photos.ts';

/** Ten things, each said twice in other words: the second is the query that should find the first. */
const pairs = [
  ['A cat sleeps on the sofa all afternoon', 'a kitten naps on the couch'],
  ['The central bank raised interest rates again', 'borrowing money becomes dearer'],
  ['How to bake sourdough bread at home', 'a recipe for a loaf with wild yeast'],
  ['The train to the coast was cancelled because of snow', 'railway service to the seaside stopped in winter weather'],
  ['She repaired the flat tyre of her bicycle', 'mending a puncture on a bike'],
  ['A doctor explains why sleep matters for health', 'a physician about the benefits of rest'],
  ['The football team won the final after penalties', 'soccer club takes the cup in a shootout'],
  ['New telescope takes pictures of distant galaxies', 'astronomers photograph far away stars'],
  ['Cheap flights to southern islands this summer', 'low cost air travel for a holiday in the sun'],
  ['The mayor opened a new bridge over the river', 'a crossing of the stream was inaugurated'],
] as const;
const items = pairs.map(([title], index) => ({ id: `note-${index}`, title }));
const labelled = pairs.map(([, text], index) => ({ query: { text }, relevant: [`note-${index}`] }));

/** Follows an operation to its end. */
async function ended(id: string): Promise<{ state: string; result: Record<string, any> }> {
  const answer = await fetch(`${platform.url}/v1/operations/${id}:watch`, { headers: { authorization: `Bearer ${platform.keys.first}` } });
  await answer.text();
  return (await api().get(`/v1/operations/${id}`).expect(200)).body;
}

/** Evaluates. @returns the operation's result. */
async function evaluate(path: string, body: object): Promise<Record<string, any>> {
  const { headers } = await api().post(`${path}:evaluate`, body).expect(202);
  const { state, problem, result } = (await ended(headers.location.slice('/v1/operations/'.length))) as Record<string, any>;
  expect({ state, problem }).toEqual({ state: 'succeeded' });
  return result;
}

async function reindex(path: string, space: string, modelVersion: string, more: object = {}) {
  const answer = await api().post(`${path}:reindex`, { space, modelVersion, ...more }).expect(202);
  expect(answer.headers.location).toBe(`/v1/operations/${answer.body.id}`);
  const operation = await ended(answer.body.id);
  expect(operation).toMatchObject({ kind: 'retrieval.reindex', state: 'succeeded' });
  return operation.result;
}

async function versions(path: string, space: string): Promise<{ modelVersion: string; state: string; dimension: number }[]> {
  const { body } = await api().get(path).expect(200);
  return body.spaces.find(({ name }: { name: string }) => name === space).versions;
}

const drop = (path: string, space: string, version: string) => api().delete(`${path}/spaces/${space}/versions/${encodeURIComponent(version)}`);

beforeAll(async () => {
  await runTouchstone(['models', 'pull', 'embed-text-wordllama', 'embed-image-layer-8'], platform.environment);
  // The model server looks at its folder every second, so the weights are loaded a moment later.
  const isThere = async () => expect((await api().post('/v1/embeddings', { model: 'embed-text-wordllama', input: 'a' })).status).toBe(200);
  await vi.waitFor(isThere, { timeout: 60_000, interval: 200 });
}, 300_000);

it('changes the model of texts without a pause, and back in one call', async () => {
  const path = await newCollection('first', { spaces: ['text'].map((name) => ({ name })) });
  await api().post(`${path}/items:upsert`, { items }).expect(200);
  const [before] = await versions(path, 'text');
  const result = await reindex(path, 'text', 'embed-text-wordllama', { k: 3 });
  expect(result).toMatchObject({ items: 10, vectors: 10, missing: 0, comparison: { queries: 10, k: 3 } });
  // Both models know what the texts are about, and order what is far in other ways.
  expect(result.comparison.recall.estimate).toBeGreaterThan(0.3);
  expect(result.comparison.recall.estimate).toBeLessThan(1);
  expect(result.comparison.recall.lower).toBeLessThanOrEqual(result.comparison.recall.estimate);

  const [, standby] = await versions(path, 'text');
  expect(standby).toMatchObject({ modelVersion: expect.stringMatching(/^wordllama-/), state: 'standby', dimension: 256 });
  expect(await search(path, { query: { text: pairs[0][1] }, limit: 1 })).toEqual(['note-0']);

  const { body: switched } = await api().post(`${path}:switch`, { space: 'text', modelVersion: standby.modelVersion }).expect(200);
  expect(switched.spaces[0]).toMatchObject({ modelVersion: standby.modelVersion, dimension: 256 });
  const vector = Array.from({ length: 256 }, (_, index) => (index === 0 ? 1 : 0));
  expect(await search(path, { query: { vector }, limit: 10 })).toHaveLength(10);
  // WordLlama was trained to be cut.
  expect(await search(path, { query: { text: pairs[0][0] }, dimensions: 64, limit: 1 })).toEqual(['note-0']);
  await api().post(`${path}/items:upsert`, { items: [{ id: 'later', title: 'The harbour was closed in the storm' }] }).expect(200);
  expect(await search(path, { query: { text: 'harbour storm' }, limit: 1 })).toEqual(['later']);

  await api().post(`${path}:switch`, { space: 'text', modelVersion: before.modelVersion }).expect(200);
  await api().post(`${path}/search`, { query: { vector } }).expect(422);
  expect(await search(path, { query: { text: 'port shut because of the tempest' }, limit: 1 })).toEqual(['later']);

  await drop(path, 'text', before.modelVersion).expect(409);
  await drop(path, 'text', standby.modelVersion).expect(200);
  expect(await versions(path, 'text')).toEqual([before]);
  await drop(path, 'text', standby.modelVersion).expect(404);
});

it('measures two versions on the same labelled queries', async () => {
  const path = await newCollection('first', { spaces: ['text'].map((name) => ({ name })) });
  await api().post(`${path}/items:upsert`, { items }).expect(200);
  await reindex(path, 'text', 'embed-text-wordllama', { sample: 0 });
  const modelVersions = (await versions(path, 'text')).map(({ modelVersion }) => modelVersion);

  const result = await evaluate(path, { queries: labelled, k: [1, 3], modelVersions });
  const [{ queries, versions: measured, differences }] = result.tasks;
  expect(queries).toBe(10);
  const of = (figures: { metric: string; k: number; estimate: number; lower: number; upper: number }[], metric: string, k: number) => figures.find((figure) => figure.metric === metric && figure.k === k)!;
  const [minilm, wordllama] = measured.map(({ figures }: { figures: [] }) => of(figures, 'recall', 1));
  expect(minilm.estimate).toBeGreaterThanOrEqual(0.7);
  expect(minilm.estimate).toBeGreaterThanOrEqual(wordllama.estimate);
  expect(minilm.upper).toBeGreaterThanOrEqual(minilm.estimate);
  expect(of(differences, 'recall', 1).estimate).toBeCloseTo(wordllama.estimate - minilm.estimate, 10);
  expect(await evaluate(path, { queries: labelled, k: [1, 3], modelVersions })).toEqual(result);
});

it('measures a thousand texts, and pictures from blobs', async () => {
  const path = await newCollection('first', { spaces: ['text'].map((name) => ({ name })) });
  await api().post(`${path}/items:upsert`, { items }).expect(200);
  const many = Array.from({ length: 1_000 }, (_, index) => ({ query: { text: `${pairs[index % 10][1]} ${index}` }, relevant: [`note-${index % 10}`] }));
  expect((await evaluate(path, { queries: many })).tasks).toMatchObject([{ queries: 1_000, versions: [{ figures: expect.any(Array) }] }]);

  const photos = await newCollection();
  await api().post(`${photos}/items:upsert`, { items: [{ id: 'photo', images: [{ base64: await photo(1) }] }] }).expect(200);
  const blob = await supertest(platform.url).post('/v1/blobs').set('authorization', `Bearer ${platform.keys.first}`).type('image/jpeg').send(Buffer.from(await photoVariant(1), 'base64')).expect(201);
  const { tasks } = await evaluate(photos, { queries: [{ query: { image: { blobId: blob.body.id } }, relevant: ['photo'] }], k: [1] });
  expect(tasks[0].versions[0].figures).toContainEqual({ metric: 'recall', k: 1, estimate: 1, lower: 1, upper: 1 });
  const unknown = await api().post(`${photos}:evaluate`, { queries: [{ query: { image: { blobId: '0'.repeat(64) } }, relevant: ['photo'] }] }).expect(422);
  expect(unknown.body.violations).toMatchObject([{ pointer: '/queries/0/query/image/blobId' }]);
});

it('changes the model of pictures from the files that are kept', async () => {
  const path = await newCollection();
  const pictured = await Promise.all([0, 1, 2, 3].map(async (index) => ({ id: `photo-${index}`, images: [{ base64: await photo(index) }] })));
  await api().post(`${path}/items:upsert`, { items: pictured }).expect(200);
  expect(await reindex(path, 'image', 'embed-image-layer-8')).toMatchObject({ items: 4, vectors: 4, missing: 0 });
  await api().post(`${path}:switch`, { space: 'image', modelVersion: 'embed-image-layer-8' }).expect(200);
  expect(await search(path, { query: { image: { base64: await photoVariant(2) } }, limit: 1 })).toEqual(['photo-2']);
  const { body } = await api().post(`${path}/search`, { query: { image: { base64: await photoVariant(2) } }, limit: 1, explain: true }).expect(200);
  expect(body.explanation.spaces[0].modelVersion).toMatch(/^dinov2-s-saliency-layer-8@/);
});

it('refuses what it cannot do, and another tenant’s collection', async () => {
  const path = await newCollection();
  await api().post(`${path}:reindex`, { space: 'text', modelVersion: 'no-such-model' }).expect(404);
  await api().post(`${path}:reindex`, { space: 'joint', modelVersion: 'embed-text' }).expect(422);
  await api().post(`${path}:reindex`, { space: 'text', modelVersion: 'embed-text' }).expect(409);
  await api().post(`${path}:switch`, { space: 'text', modelVersion: 'embed-text-wordllama' }).expect(404);
  await api('second').post(`${path}:reindex`, { space: 'text', modelVersion: 'embed-text-wordllama' }).expect(404);
  await api('second').post(`${path}:evaluate`, { queries: labelled }).expect(404);
  const wrong = await api().post(`${path}:evaluate`, { queries: [{ ...labelled[0], grades: [1, 2] }] }).expect(400);
  expect(wrong.body.violations).toMatchObject([{ pointer: '/queries/0/grades' }]);
  const { body } = await api().post(`${path}:evaluate`, { queries: [...labelled, { query: { itemId: 'nobody' }, relevant: ['a'] }] }).expect(202);
  expect(await ended(body.id)).toMatchObject({ state: 'failed', problem: { reason: 'item-not-found', violations: [{ pointer: '/queries/10/query/itemId' }] } });
  await supertest(platform.url).post(`${path}:evaluate`).send({ queries: labelled }).expect(401);
});
