import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { type S3, startS3, testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKey, gatewayContractServer, type RunningGateway, start } from '../index.ts';
import { BlobStore } from './blob-store.ts';
import { BlobSweep } from './blob-sweep.ts';

const { privateKey, publicKey } = generateTokenKeys();
let s3: S3;
let database: TestDatabase;
let folder: string;
let gateways: RunningGateway[];
let key: string;
let tenantId: string;

beforeAll(async () => {
  s3 = await startS3();
  database = await testDatabase({ service: 'gateway' });
  folder = await mkdtemp(join(tmpdir(), 'touchstone-bucket-'));
  gateways = [];
  for (let index = 0; index < 2; index++) {
    const own = { server: gatewayContractServer({ verifier: new CallerTokenVerifier(publicKey) }), blobs: { folder: join(folder, String(index)), s3 } };
    gateways.push(await start({ host: '127.0.0.1', port: 0, upstreams: [], tokens: new CallerTokens(privateKey), database, own }));
  }
  ({ key, tenantId } = await createKey(database, { tenantName: 'first', name: 'tests', scopes: ['*'] }));
}, 900_000);

afterAll(async () => {
  for (const gateway of gateways ?? []) await gateway.stop();
  await database?.drop();
  await s3?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const send = (gateway: number, method: string, path: string, body?: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) =>
  fetch(`${gateways[gateway].url}${path}`, { method, headers: { authorization: `Bearer ${key}`, ...headers }, body });
const bytesOf = (size: number) => new Uint8Array(randomBytes(size));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it('what one gateway stored the other reads, whole and in part, and deletes', async () => {
  const bytes = bytesOf(3_000_000);
  const { id } = (await (await send(0, 'POST', '/v1/blobs', bytes)).json()) as { id: string };
  expect(id).toBe(sha256(bytes));
  expect(sha256(await (await send(1, 'GET', `/v1/blobs/${id}`)).bytes())).toBe(id);
  const part = await send(1, 'GET', `/v1/blobs/${id}`, undefined, { range: 'bytes=10-19' });
  expect([part.status, Buffer.compare(await part.bytes(), bytes.subarray(10, 20))]).toEqual([206, 0]);
  expect((await send(1, 'DELETE', `/v1/blobs/${id}`)).status).toBe(200);
  expect((await send(0, 'GET', `/v1/blobs/${id}`)).status).toBe(404);
});

it('an upload goes on at the other gateway', async () => {
  const bytes = bytesOf(900_000);
  const begun = await send(0, 'POST', '/v1/uploads', JSON.stringify({ bytes: bytes.length, sha256: sha256(bytes) }), { 'content-type': 'application/json' });
  const { id } = (await begun.json()) as { id: string };
  for (const [index, start] of [0, 300_000, 600_000].entries()) {
    const answer = await send(index % 2, 'PATCH', `/v1/uploads/${id}`, bytes.slice(start, start + 300_000), { 'upload-offset': String(start) });
    expect(answer.status).toBe(200);
  }
  expect(sha256(await (await send(1, 'GET', `/v1/blobs/${sha256(bytes)}`)).bytes())).toBe(sha256(bytes));
  const { parts } = await gateways[0].app.get(BlobStore, { strict: false }).old({ id: tenantId }, new Date(Date.now() + 3_600_000));
  expect(parts).toEqual([]);
});

it('the sweep removes what no row names, and nothing else', async () => {
  const store = gateways[0].app.get(BlobStore, { strict: false });
  const tenant = { id: tenantId };
  const { id } = (await (await send(0, 'POST', '/v1/blobs', bytesOf(100))).json()) as { id: string };
  const orphan = await store.receive(tenant, { source: (async function* () { yield bytesOf(50); })() }, 100);
  await store.keep(tenant, orphan);
  const part = await store.keepPart(tenant, await store.receive(tenant, { source: (async function* () { yield bytesOf(60); })() }, 100));
  await gateways[1].app.get(BlobSweep, { strict: false }).sweep(new Date(Date.now() + 2 * 3_600_000));
  expect([await store.has(tenant, id), await store.has(tenant, orphan.sha256)]).toEqual([true, false]);
  expect((await store.old(tenant, new Date(Date.now() + 3_600_000))).parts).not.toContain(part);
});
