import { randomUUID } from 'node:crypto';
import supertest from 'supertest';
import { expect, it } from 'vitest';
import { api, platform } from './api.ts';

const call = (key: string, path: string) => supertest(platform.url).get(path).set('authorization', `Bearer ${key}`);

it('makes a second tenant with a key of its own, which sees its own data and may not make more of itself', async () => {
  const tenant = await api().post('/v1/tenants', { name: `acme ${randomUUID()}` }).expect(201);
  const made = await api().post('/v1/keys', { name: 'acme', scopes: ['retrieval:read', 'keys:write'], tenantId: tenant.body.id }).expect(201);
  const key: string = made.body.secret;
  await call(key, '/v1/operations').expect(403);
  await supertest(platform.url).post('/v1/keys').set('authorization', `Bearer ${key}`).send({ name: 'more', scopes: ['*'] }).expect(403);
  await supertest(platform.url).post('/v1/keys').set('authorization', `Bearer ${key}`).send({ name: 'less', scopes: ['retrieval:read'] }).expect(201);
  const seen = await api().get('/v1/audit?limit=200').expect(200);
  expect(seen.body.entries).toContainEqual(expect.objectContaining({ action: 'key.created', target: made.body.key.id }));
});

it('gives a key a new secret that opens on every gateway at once', async () => {
  const made = await api().post('/v1/keys', { name: 'rotated', scopes: ['keys:read'] }).expect(201);
  for (let index = 0; index < 4; index++) await call(made.body.secret, '/v1/keys?limit=1').set('connection', 'close').expect(200);
  const rotated = await api().post(`/v1/keys/${made.body.key.id}:rotate`, { graceHours: 1 }).expect(200);
  for (const secret of [rotated.body.secret, made.body.secret]) {
    for (let index = 0; index < 4; index++) await call(secret, '/v1/keys?limit=1').set('connection', 'close').expect(200);
  }
});

it('limits a tenant over all gateways', async () => {
  const tenant = await api().post('/v1/tenants', { name: `limited ${randomUUID()}` }).expect(201);
  const { body } = await api().post('/v1/keys', { name: 'limited', scopes: ['keys:read'], tenantId: tenant.body.id }).expect(201);
  await api().put(`/v1/tenants/${tenant.body.id}/limits`, { requestsPerMinute: 5 }).expect(200);
  const answers = [];
  // More than two minutes' worth: the minute may turn once meanwhile.
  for (let index = 0; index < 14; index++) answers.push(await call(body.secret, '/v1/keys?limit=1').set('connection', 'close'));
  expect(answers[0].status).toBe(200);
  expect(answers[0].headers).toMatchObject({ 'ratelimit-policy': '"requests";q=5;w=60', ratelimit: expect.stringMatching(/^"requests";r=4;t=\d+$/) });
  const refused = answers.find(({ status }) => status === 429)!;
  expect(refused.body.type).toBe('/problems/too-many-requests');
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(10);
});

it('limits a key beside its tenant, and what a tenant stores', async () => {
  const tenant = await api().post('/v1/tenants', { name: `limited ${randomUUID()}` }).expect(201);
  const { body } = await api().post('/v1/keys', { name: 'limited', scopes: ['*'], tenantId: tenant.body.id, requestsPerMinute: 50 }).expect(201);
  expect(body.key.requestsPerMinute).toBe(50);
  const limits = await api().put(`/v1/tenants/${tenant.body.id}/limits`, { blobBytes: 100 }).expect(200);
  expect(limits.body).toMatchObject({ blobBytes: 100 });
  const answer = await call(body.secret, '/v1/keys?limit=1').expect(200);
  const grant = (requestsPerMinute?: number) => supertest(platform.url).post('/v1/keys').set('authorization', `Bearer ${body.secret}`).send({ name: 'more', scopes: ['keys:read'], requestsPerMinute });
  for (const more of [undefined, 51]) expect((await grant(more).expect(400)).body.violations[0].pointer).toBe('/requestsPerMinute');
  const free = await api().post('/v1/keys', { name: 'free', scopes: ['keys:read'], tenantId: tenant.body.id }).expect(201);
  await supertest(platform.url).post(`/v1/keys/${free.body.key.id}:rotate`).set('authorization', `Bearer ${body.secret}`).send({}).expect(400);
  await grant(50).expect(201);
  expect(answer.headers['ratelimit-policy']).toBe('"key";q=50;w=60, "requests";q=600000;w=60');
  const store = (bytes: number) => supertest(platform.url).post('/v1/blobs').set('authorization', `Bearer ${body.secret}`).type('application/octet-stream').send(Buffer.alloc(bytes));
  await store(100).expect(201);
  expect((await store(1).expect(413)).body.type).toBe('/problems/blob-quota-exceeded');
});

it('limits how many items a tenant has, also while it imports', async () => {
  const tenant = await api().post('/v1/tenants', { name: `limited ${randomUUID()}` }).expect(201);
  const limits = await api().put(`/v1/tenants/${tenant.body.id}/limits`, { items: 25 }).expect(200);
  expect(limits.body).toMatchObject({ items: 25 });
  const { secret } = (await api().post('/v1/keys', { name: 'writer', scopes: ['*'], tenantId: tenant.body.id }).expect(201)).body;
  const send = (method: 'put' | 'post' | 'delete', path: string) => supertest(platform.url)[method](path).set('authorization', `Bearer ${secret}`);
  await send('put', '/v1/collections/notes').send({ spaces: [{ name: 'text' }] }).expect(200);
  const upsert = (...ids: number[]) => send('post', '/v1/collections/notes/items:upsert').send({ items: ids.map((id) => ({ id: `note-${id}`, title: `number ${id}` })) });
  await upsert(1, 2, 3, 4, 5).expect(200);

  const lines = Array.from({ length: 40 }, (_, index) => (index === 10 ? 'no item' : JSON.stringify({ id: `note-${index + 1}`, title: `number ${index + 1}` }))).join('\n');
  const blob = await send('post', '/v1/blobs').type('application/octet-stream').send(Buffer.from(lines)).expect(201);
  const begun = await send('post', '/v1/collections/notes/items:import').send({ blobId: blob.body.id }).expect(202);
  await supertest(platform.url).get(`${begun.headers.location}:watch`).set('authorization', `Bearer ${secret}`).expect(200);
  const ended = await supertest(platform.url).get(begun.headers.location).set('authorization', `Bearer ${secret}`).expect(200);
  // Five were there, and line 11 is no item: the 25th item is line 26.
  expect(ended.body).toMatchObject({ state: 'failed', problem: { reason: 'item-quota-exceeded', detail: expect.stringContaining('Line 27 finds no room: your collections may have 25 items') } });
  expect(ended.body.progress).toMatchObject({ done: Buffer.byteLength(lines.split('\n').slice(0, 26).join('\n')) + 1 });

  const refused = await upsert(26, 27).expect(413);
  expect(refused.body).toMatchObject({ type: '/problems/item-quota-exceeded', violations: [{ pointer: '/items/1' }] });
  await send('delete', '/v1/collections/notes/items/note-1').expect(200);
  await upsert(26, 27).expect(200);
});
