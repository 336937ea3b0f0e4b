import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { LocalChannel, Reason, serviceClient } from '@touchstone/contracts';
import { BlobService } from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createKey, gatewayContractServer, type RunningGateway, start } from '../index.ts';
import { BlobSweep } from './blob-sweep.ts';

const tenantBytes = 10_000;
const { privateKey, publicKey } = generateTokenKeys();
const tokens = new CallerTokens(privateKey);
const server = gatewayContractServer({ verifier: new CallerTokenVerifier(publicKey) });
const client = serviceClient(BlobService, new LocalChannel(server));
let database: TestDatabase;
let folder: string;
let gateway: RunningGateway;
let key: string;
let tenantId: string;

beforeAll(async () => {
  database = await testDatabase({ service: 'gateway' });
  folder = await mkdtemp(join(tmpdir(), 'touchstone-written-'));
  gateway = await start({ host: '127.0.0.1', port: 0, upstreams: [], tokens, database, own: { server, blobs: { folder, tenantBytes } } });
});

afterAll(async () => {
  await gateway?.stop();
  await database?.drop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  ({ key, tenantId } = await createKey(database, { tenantName: `tenant ${Math.random()}`, name: 'tests', scopes: ['*'] }));
});

const bytesOf = (size: number) => new Uint8Array(randomBytes(size));
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000);

async function write(blobs: readonly [data: Uint8Array<ArrayBuffer>, expiresAt?: Date][], scope = 'blobs:write') {
  const token = await tokens.issue({ tenant: { id: tenantId }, keyId: 'tests', scopes: [scope] });
  const request = { blobs: blobs.map(([data, expiresAt]) => ({ data, mediaType: 'application/x-tokens', ...(expiresAt ? { expiresAt: timestampFromDate(expiresAt) } : {}) })) };
  return (await client.writeBlobs(request, { token })).blobs;
}

const get = (id: string) => fetch(`${gateway.url}/v1/blobs/${id}`, { headers: { authorization: `Bearer ${key}` } });
const store = (body: Uint8Array<ArrayBuffer>) => fetch(`${gateway.url}/v1/blobs`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body });
const sweep = (at: Date) => gateway.app.get(BlobSweep).sweep(at);
const files = async () => (await readdir(join(folder, tenantId), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;

it('are read by the tenant as any blob is, and equal bytes are one', async () => {
  const [one, other] = [bytesOf(1_000), bytesOf(2_000)];
  const written = await write([[one, inHours(1)], [other, inHours(2)], [one, inHours(3)]]);
  expect(written.map(({ id }) => id)).toEqual([one, other, one].map((bytes) => createHash('sha256').update(bytes).digest('hex')));
  const answer = await get(written[1].id);
  expect(answer.headers.get('content-type')).toBe('application/x-tokens');
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from(other));
  expect(await files()).toBe(2);
});

it('go when their time is over, with the room that they took', async () => {
  const [{ id }] = await write([[bytesOf(6_000), inHours(1)]]);
  await expect(write([[bytesOf(6_000), inHours(1)]])).rejects.toMatchObject({ reason: Reason.BLOB_QUOTA_EXCEEDED });
  await sweep(inHours(0.9));
  expect((await get(id)).status).toBe(200);
  await Promise.all([sweep(inHours(1.1)), sweep(inHours(1.1))]);
  expect((await get(id)).status).toBe(404);
  expect(await files()).toBe(0);
  expect(await write([[bytesOf(9_000), inHours(1)]])).toHaveLength(1);
});

it('are nobody’s from that moment on, before the sweep has come', async () => {
  const [{ id }] = await write([[bytesOf(100), new Date(Date.now() - 1)]]);
  expect((await get(id)).status).toBe(404);
});

it('stay as long as anybody who wrote the bytes wants', async () => {
  const [kept, longer] = [bytesOf(100), bytesOf(100)];
  await write([[kept, inHours(1)], [longer, inHours(1)]]);
  expect((await store(kept)).status).toBe(201);
  const [first, second] = await write([[kept, inHours(2)], [longer, inHours(5)]]);
  expect(first.expiresAt).toBeUndefined();
  const [unchanged] = await write([[longer, inHours(3)]]);
  for (const { expiresAt } of [second, unchanged]) expect(timestampDate(expiresAt!) > inHours(4.9)).toBe(true);
  await sweep(inHours(4));
  expect([(await get(first.id)).status, (await get(second.id)).status]).toEqual([200, 200]);
  await sweep(inHours(6));
  expect([(await get(first.id)).status, (await get(second.id)).status]).toEqual([200, 404]);
});

it('are stored all or none', async () => {
  await expect(write([[bytesOf(6_000)], [bytesOf(6_000)]])).rejects.toMatchObject({ reason: Reason.BLOB_QUOTA_EXCEEDED });
  expect(await files()).toBe(0);
  expect(await write([[bytesOf(10_000)]])).toHaveLength(1);
});

it('two writers of the same bytes at the same time make one blob', async () => {
  const [one, other] = [bytesOf(2_000), bytesOf(2_000)];
  const written = await Promise.all(Array.from({ length: 8 }, (_, index) => write(index % 2 ? [[one, inHours(1)], [other, inHours(1)]] : [[other, inHours(1)], [one, inHours(1)]])));
  expect(new Set(written.flatMap((blobs) => blobs.map(({ id }) => id))).size).toBe(2);
  expect(await files()).toBe(2);
  expect((await store(bytesOf(6_000))).status).toBe(201); // 4,000 bytes were counted, not more
});

it('need the scope of who writes blobs', async () => {
  await expect(write([[bytesOf(1)]], 'blobs:read')).rejects.toMatchObject({ reason: Reason.SCOPE_MISSING });
});
