import { expect, it } from 'vitest';
import { api, newCollection, search } from './api.ts';

it('gives two tenants with identical input each their own result', async () => {
  const path = await newCollection('first');
  await api('second').put(path).expect(200);
  const items = [{ id: 'one', title: 'A canary in a coal mine', attributes: { a: 1 } }];
  await api('first').post(`${path}/items:upsert`, { items }).expect(200, { upserted: 1, unchanged: 0, position: 1 });
  expect(await search(path, { query: { text: 'canary' } }, 'second')).toEqual([]);
  await api('second').post(`${path}/items:upsert`, { items }).expect(200, { upserted: 1, unchanged: 0, position: 1 });

  await api('first').delete(`${path}/items/one`).expect(200);
  expect(await search(path, { query: { text: 'canary' } }, 'first')).toEqual([]);
  expect(await search(path, { query: { text: 'canary' } }, 'second')).toEqual(['one']);
  await api('first').get(`${path}/items/one`).expect(404);
  await api('second').get(`${path}/items/one`).expect(200);
});

it("answers for another tenant's collection as for one that never was", async () => {
  const path = await newCollection('first');
  await api('first').post(`${path}/items:upsert`, { items: [{ id: 'one', title: 'Secret' }] }).expect(200);
  const never = path.replace(/[^/]+$/, (name) => `${name.slice(0, -4)}none`);
  const attempts = [
    (target: string) => api('second').get(target),
    (target: string) => api('second').get(`${target}/items/one`),
    (target: string) => api('second').delete(`${target}/items/one`),
    (target: string) => api('second').post(`${target}/search`, { query: { text: 'secret' } }),
    (target: string) => api('second').post(`${target}/search`, { query: { itemId: 'one' } }),
    (target: string) => api('second').post(`${target}/items:upsert`, { items: [{ id: 'one', title: 'Mine' }] }),
  ];
  for (const attempt of attempts) {
    const [others, absent] = [await attempt(path), await attempt(never)];
    expect(others.status).toBe(404);
    expect(absent.status).toBe(404);
    const shape = ({ instance: _, ...body }: Record<string, unknown>, name: string) => JSON.stringify(body).replaceAll(name, 'NAME');
    expect(shape(others.body, path.split('/')[3])).toBe(shape(absent.body, never.split('/')[3]));
  }
  await api('first').get(`${path}/items/one`).expect(200);
});

it.each([
  ['no key', undefined],
  ['a word', 'Bearer something'],
  ['another scheme', 'Basic dXNlcjpwYXNz'],
  ['a key of the right form that is nobody’s', `Bearer ts_live_${'0'.repeat(12)}_${'0'.repeat(48)}`],
])('asks for a key when there is %s', async (_, header) => {
  const path = await newCollection('first');
  const supertest = (await import('supertest')).default;
  const { platform } = await import('./api.ts');
  const request = supertest(platform.url).get(path);
  if (header) request.set('authorization', header);
  const { body, headers } = await request.expect(401);
  expect(body.type).toBe('/problems/unauthenticated');
  expect(headers['www-authenticate']).toContain('Bearer');
});

it('refuses expired and revoked keys', async () => {
  const path = await newCollection('first');
  for (const key of ['expired', 'revoked'] as const) await api(key).get(path).expect(401);
});

it('keeps to the scopes of a key', async () => {
  const path = await newCollection('first');
  const items = [{ id: 'one', title: 'Something' }];
  const refused = await api('reader').post(`${path}/items:upsert`, { items }).expect(403);
  expect(refused.body).toMatchObject({ type: '/problems/scope-missing', detail: expect.stringContaining('retrieval:write') });
  await api('reader').delete(`${path}/items/one`).expect(403);
  await api('reader').put(path).expect(403);
  await api('writer').post(`${path}/items:upsert`, { items }).expect(200);
  await api('writer').post(`${path}/search`, { query: { text: 'x' } }).expect(403);
  await api('reader').post(`${path}/search`, { query: { text: 'x' } }).expect(200);
});
