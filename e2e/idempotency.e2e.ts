import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { api, newCollection, search } from './api.ts';

const named = (path: string, body: object, key: string) => api().post(`${path}/items:upsert`, body).set('idempotency-key', key);
const one = { items: [{ id: 'one', title: 'The one item' }] };

it('answers a repeated write as the first time, without its effects', async () => {
  const path = await newCollection();
  const key = randomUUID();
  const first = await named(path, one, key).expect(200);
  expect(first.body).toMatchObject({ upserted: 1, unchanged: 0 });
  expect(first.headers).not.toHaveProperty('idempotency-replayed');

  await api().post(`${path}/items:upsert`, { items: [{ id: 'one', title: 'Another title' }] }).expect(200);
  const again = await named(path, one, key).expect(200).expect('idempotency-replayed', 'true');
  expect(again.body).toEqual(first.body);
  expect((await api().get(`${path}/items/one`)).body.title).toBe('Another title');
});

it('refuses the key for another request', async () => {
  const path = await newCollection();
  const key = randomUUID();
  await named(path, one, key).expect(200);
  const other = await named(path, { items: [{ id: 'two', title: 'Another item' }] }, key).expect(422);
  expect(other.body).toMatchObject({ type: '/problems/idempotency-key-reused', violations: [{ parameter: 'Idempotency-Key' }] });
  await api().put(path).set('idempotency-key', key).expect(422);
});

it('writes once when the same request comes many times at once', async () => {
  const path = await newCollection();
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 8 }, () => named(path, one, key).expect(200)));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(answers.filter(({ headers }) => !headers['idempotency-replayed'])).toHaveLength(1);
  expect(answers[0].body).toMatchObject({ upserted: 1 });
});

it('answers a repeated delete, which would be a 404 without the key', async () => {
  const path = await newCollection();
  await api().post(`${path}/items:upsert`, one).expect(200);
  const remove = (key: string) => api().delete(`${path}/items/one`).set('idempotency-key', key);
  const key = randomUUID();
  const answers = await Promise.all([remove(key).expect(200), remove(key).expect(200), remove(key).expect(200)]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  await remove(randomUUID()).expect(404);
  expect(await search(path, { query: { text: 'item' } })).toEqual([]);
});

it('keeps nothing of a request that failed', async () => {
  const path = `/v1/collections/test-${randomUUID()}`;
  const key = randomUUID();
  await named(path, one, key).expect(404);
  await api().put(path).expect(200);
  await named(path, one, key).expect(200);
});

it('keeps the keys of two tenants apart', async () => {
  const key = randomUUID();
  const path = `/v1/collections/test-${randomUUID()}`;
  await api('first').put(path, { spaces: [{ name: 'text' }] }).set('idempotency-key', key).expect(200);
  const second = await api('second').put(path, { spaces: [{ name: 'image' }] }).set('idempotency-key', key).expect(200);
  expect(second.headers).not.toHaveProperty('idempotency-replayed');
  expect(second.body.spaces).toMatchObject([{ name: 'image' }]);
});

it.each([
  ['empty', ''],
  ['too long', 'k'.repeat(256)],
  ['not ASCII', 'kéy'],
])('refuses a key that is %s', async (_, key) => {
  const path = await newCollection();
  const answer = await named(path, one, key).expect(400);
  expect(answer.body).toMatchObject({ type: '/problems/invalid-request', violations: [{ parameter: 'Idempotency-Key' }] });
});
