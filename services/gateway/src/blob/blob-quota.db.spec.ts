import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createKey, gatewayContractServer, openKeys, operator, type RunningGateway, start } from '../index.ts';

const { privateKey, publicKey } = generateTokenKeys();
const defaultBytes = 10_000;
let database: TestDatabase;
let administration: ReturnType<typeof openKeys>;
let folder: string;
let gateways: RunningGateway[];
let key: string;
let tenantId: string;
let calls = 0;

beforeAll(async () => {
  database = await testDatabase({ service: 'gateway' });
  administration = openKeys(database);
  folder = await mkdtemp(join(tmpdir(), 'touchstone-quota-'));
  gateways = [];
  for (let index = 0; index < 2; index++) {
    const own = { server: gatewayContractServer({ verifier: new CallerTokenVerifier(publicKey) }), blobs: { folder, tenantBytes: defaultBytes } };
    gateways.push(await start({ host: '127.0.0.1', port: 0, upstreams: [], tokens: new CallerTokens(privateKey), database, own }));
  }
});

afterAll(async () => {
  for (const gateway of gateways ?? []) await gateway.stop();
  await administration?.close();
  await database?.drop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  ({ key, tenantId } = await createKey(database, { tenantName: `tenant ${Math.random()}`, name: 'tests', scopes: ['*'] }));
});

/** The gateways are asked in turn. */
async function send(method: string, path: string, body?: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) {
  const { url } = gateways[calls++ % 2];
  const answer = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${key}`, ...headers }, body });
  return { status: answer.status, body: (await answer.json()) as Record<string, any>, headers: answer.headers };
}

const store = (bytes: number) => send('POST', '/v1/blobs', new Uint8Array(randomBytes(bytes)));
const begin = (bytes: number) => send('POST', '/v1/uploads', JSON.stringify({ bytes }), { 'content-type': 'application/json' });
const limit = (blobBytes?: number) => administration.tenants.limit({ id: tenantId }, { blobBytes }, operator);
/** Files of the tenant, without folders. */
const files = async () => (await readdir(join(folder, tenantId), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;

it('refuses a blob above what the tenant may store, keeps nothing of it, and takes it once there is room', async () => {
  await limit(1_000);
  const first = await store(600);
  expect(first.status).toBe(201);
  const refused = await store(401);
  expect(refused.status).toBe(413);
  expect(refused.body).toMatchObject({ type: '/problems/blob-quota-exceeded', detail: expect.stringContaining('600 bytes; 401 more would exceed the 1000') });
  expect(refused.headers.get('retry-after')).toBeNull(); // waiting does not help
  expect(await files()).toBe(1);
  expect((await store(400)).status).toBe(201);
  expect((await store(1)).status).toBe(413);
  expect((await send('DELETE', `/v1/blobs/${first.body.id}`)).status).toBe(200);
  expect((await store(600)).status).toBe(201);
});

it('counts equal bytes once, and a tenant for itself', async () => {
  await limit(1_000);
  const bytes = new Uint8Array(randomBytes(700));
  for (let time = 0; time < 3; time++) expect((await send('POST', '/v1/blobs', bytes)).status).toBe(201);
  ({ key, tenantId } = await createKey(database, { tenantName: `another ${Math.random()}`, name: 'tests', scopes: ['*'] }));
  await limit(1_000);
  expect((await send('POST', '/v1/blobs', bytes)).status).toBe(201);
});

it('counts an upload from its beginning, gives back what is dropped, and an upload that was begun finds its room', async () => {
  await limit(1_000);
  const { body: upload } = await begin(800);
  expect((await begin(201)).body.type).toBe('/problems/blob-quota-exceeded');
  expect((await store(201)).status).toBe(413);
  expect((await store(200)).status).toBe(201);
  await limit(0);
  const append = await send('PATCH', `/v1/uploads/${upload.id}`, new Uint8Array(randomBytes(800)), { 'upload-offset': '0' });
  expect(append.body.blob).toMatchObject({ bytes: 800 });
  await limit(2_000);
  const { body: dropped } = await begin(1_000);
  expect((await store(1)).status).toBe(413);
  expect((await send('DELETE', `/v1/uploads/${dropped.id}`)).status).toBe(200);
  expect((await store(1_000)).status).toBe(201);
});

it('two gateways that store at the same time do not exceed it together', async () => {
  await limit(5_000);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store(1_000) : begin(1_000))));
  expect(answers.filter(({ status }) => status === 201).length).toBe(5);
  expect(answers.filter(({ status }) => status === 413).length).toBe(15);
});

it('a tenant without a limit of its own has that of all', async () => {
  expect((await store(defaultBytes + 1)).status).toBe(413);
  expect((await store(defaultBytes)).status).toBe(201);
  await limit(2 * defaultBytes);
  expect((await store(defaultBytes)).status).toBe(201);
});
