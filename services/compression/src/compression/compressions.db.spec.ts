import { toJsonString } from '@bufbuild/protobuf';
import { LocalChannel, Problem, Reason, serviceClient } from '@touchstone/contracts';
import { CompressionSchema, CompressionService } from '@touchstone/contracts/gen/touchstone/compression/v1/compression_pb';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import type { RunningService } from '@touchstone/service';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { BlobsInMemory } from '../fixture/blobs-in-memory.ts';
import { ByteEncoder, modelsWith } from '../fixture/byte-encoder.ts';
import { start } from '../start.ts';
import { CompressionStore } from './compression-store.service.ts';

const hour = 3_600_000;
const keys = generateTokenKeys();
const tokens = new CallerTokens(keys.privateKey);
let database: TestDatabase;
let owner: pg.Client;
let encoder: ByteEncoder;
let blobs: BlobsInMemory;
let services: RunningService[];
let token: string;
let tenant: { id: string };

beforeAll(async () => {
  database = await testDatabase({ service: 'compression' });
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  await owner.query('alter table compression.encoding no force row level security; alter table compression.compression no force row level security');
});
beforeEach(async () => {
  encoder = new ByteEncoder();
  blobs = new BlobsInMemory();
  services = [await replica()];
  tenant = { id: randomUUID() };
  token = await tokens.grant({ tenant, keyId: 'test', scopes: ['*'] }, hour);
});
afterEach(async () => {
  for (const service of services) await service.stop();
});
afterAll(async () => {
  await owner?.end();
  await database?.drop();
});

function replica(withEncoder = encoder): Promise<RunningService> {
  const { url, systemUrl } = database;
  return start({ database: { url, systemUrl }, models: modelsWith(withEncoder), blobs, verifier: new CallerTokenVerifier(keys.publicKey), tokensKeptMs: hour });
}

const client = (service = services[0]) => serviceClient(CompressionService, new LocalChannel(service.server));
const picture = (text: string) => ({ source: { case: 'base64' as const, value: new TextEncoder().encode(text) } });
const budget = (tokens: number) => ({ size: { case: 'tokens' as const, value: tokens } });
const compress = (text: string, kept = 3, options: object = {}, service = services[0]) => client(service).compress({ picture: picture(text), budget: budget(kept), ...options }, { token });
const rows = async () => (await owner.query<{ encodings: string; compressions: string }>('select (select count(*) from compression.encoding where tenant_id = $1) as encodings, (select count(*) from compression.compression where tenant_id = $1) as compressions', [tenant.id])).rows[0];
const expire = async () => {
  for (const table of ['encoding', 'compression']) await owner.query(`update compression.${table} set expires_at = now() - interval '1 second' where tenant_id = $1`, [tenant.id]);
};

it('encodes a picture once, however often and with whichever budget it comes', async () => {
  const made = await client().compressBatch({ pictures: ['a', 'b', 'a'].map(picture), budget: budget(3) }, { token });
  expect(made.compressions.map(({ id }) => id)).toEqual([made.compressions[0].id, made.compressions[1].id, made.compressions[0].id]);
  await compress('a', 3);
  await compress('b', 9);
  await compress('a', 4, { method: 'grid' });
  expect(encoder.asked).toEqual(['a', 'b']);
  expect(await rows()).toEqual({ encodings: '2', compressions: '4' });
  await compress('a', 3, { momentum: 0.5 });
  await compress('a', 3, { selectLayer: -2 });
  expect(encoder.asked).toEqual(['a', 'b', 'a', 'a']);
});

it('needs no encoder for what was encoded', async () => {
  const made = await compress('a', 3);
  encoder.isReady = false;
  expect((await client().expandCompression({ id: made.id, budget: budget(16) }, { token })).indices).toHaveLength(16);
  expect((await compress('a', 5)).isCached).toBe(true);
  await expect(compress('b')).rejects.toMatchObject({ reason: Reason.MODEL_NOT_READY });
  const { encoders } = await client().listMethods({}, { token });
  expect(encoders).toMatchObject([{ name: 'encode-bytes', isReady: false, reason: 'it was stopped' }]);
  expect(await services[0].health()).toContainEqual({ part: 'model encode-bytes', isReady: false, detail: 'it was stopped' });
});

it('expands by the compression’s own method and seed unless told otherwise', async () => {
  const { id } = await compress('abcdefghijklmnop', 3, { method: 'random', seed: 9 });
  expect(await client().expandCompression({ id, budget: budget(5) }, { token })).toMatchObject({ method: 'random', seed: 9 });
  expect((await client().expandCompression({ id, budget: budget(5) }, { token })).indices).toEqual((await compress('abcdefghijklmnop', 5, { method: 'random', seed: 9 })).indices);
  expect(await client().expandCompression({ id, budget: budget(5), method: 'evocut', compareWith: ['random'] }, { token })).toMatchObject({ method: 'evocut', indices: [11, 12, 13, 14, 15], comparisons: [{ method: 'random' }] });
});

it('offers VisionZip only where the encoder shows its attention', async () => {
  await expect(compress('a', 3, { method: 'visionzip' })).rejects.toMatchObject({ reason: Reason.ENCODER_UNSUITABLE, violations: [{ pointer: '/method' }] });
  await expect(compress('a', 3, { compareWith: ['grid', 'visionzip'] })).rejects.toMatchObject({ violations: [{ pointer: '/compareWith/1' }] });
  const { id } = await compress('a');
  await expect(client().expandCompression({ id, budget: budget(3), method: 'visionzip' }, { token })).rejects.toMatchObject({ reason: Reason.ENCODER_UNSUITABLE });
  expect((await client().listMethods({}, { token })).encoders[0].methods).not.toContain('visionzip');
  const other = await replica(new ByteEncoder({ hasAttention: true }));
  services.push(other);
  expect((await compress('b', 3, { method: 'visionzip' }, other)).indices).toHaveLength(3);
});

it('one bad picture of a batch leaves nothing', async () => {
  const pictures = ['a', 'longer than a picture is here'].map(picture);
  await expect(client().compressBatch({ pictures, budget: budget(3) }, { token })).rejects.toMatchObject({ reason: Reason.PICTURE_REFUSED, violations: [{ pointer: '/pictures/1/base64' }] });
  await client().compressBatch({ pictures: [picture('b')], budget: budget(3) }, { token });
  await expect(client().compressBatch({ pictures: [picture('b'), ...pictures], budget: budget(3) }, { token })).rejects.toMatchObject({ violations: [{ pointer: '/pictures/2/base64' }] });
  expect(await rows()).toEqual({ encodings: '1', compressions: '1' });
  expect(blobs.stored.size).toBe(2);
});

it('has no row when the blobs found no room', async () => {
  blobs.beforeWrite = () => {
    throw new Problem({ reason: Reason.BLOB_QUOTA_EXCEEDED, detail: 'There is no room.' });
  };
  await expect(compress('a')).rejects.toMatchObject({ reason: Reason.BLOB_QUOTA_EXCEEDED });
  expect(await rows()).toEqual({ encodings: '0', compressions: '0' });
  blobs.beforeWrite = undefined;
  expect(await compress('a')).toMatchObject({ isCached: false });
});

it('demands the scopes of the blobs before a model works', async () => {
  const withoutBlobs = await tokens.issue({ tenant, keyId: 'test', scopes: ['compression:write', 'blobs:write'] });
  await expect(client().compress({ picture: picture('a'), budget: budget(3) }, { token: withoutBlobs })).rejects.toMatchObject({ reason: Reason.SCOPE_MISSING, detail: expect.stringContaining('blobs:read') });
  expect(encoder.asked).toEqual([]);
});

it('two replicas that are asked for the same at once keep one', async () => {
  services.push(await replica());
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => compress('same', 3 + (index % 2), {}, services[index >> 2])));
  for (const kept of [3, 4]) expect(new Set(answers.filter((answer) => answer.kept === kept).map((answer) => toJsonString(CompressionSchema, { ...answer, isCached: true }))).size).toBe(1);
  expect(await rows()).toEqual({ encodings: '1', compressions: '2' });
});

it('whose time is over is not there, and is made anew', async () => {
  const made = await compress('a');
  await expire();
  await expect(client().getCompression({ id: made.id }, { token })).rejects.toMatchObject({ reason: Reason.COMPRESSION_NOT_FOUND, detail: expect.stringMatching(/kept for 1 hours.*Compress the picture again/) });
  await expect(client().expandCompression({ id: made.id, budget: budget(4) }, { token })).rejects.toMatchObject({ reason: Reason.COMPRESSION_NOT_FOUND });
  const anew = await compress('a');
  expect(anew).toMatchObject({ id: made.id, isCached: false, indices: made.indices });
  expect(await client().getCompression({ id: made.id }, { token })).toMatchObject({ expiresAt: anew.expiresAt, isCached: true });
});

it('is dropped by whichever replica comes first, of all tenants, and nothing else is', async () => {
  services.push(await replica());
  await compress('a');
  await compress('b');
  await expire();
  const over = tenant;
  tenant = { id: randomUUID() };
  token = await tokens.grant({ tenant, keyId: 'test', scopes: ['*'] }, hour);
  const stays = await compress('a');
  await Promise.all(services.map(({ app }) => app.get(CompressionStore, { strict: false }).sweep()));
  expect(await rows()).toEqual({ encodings: '1', compressions: '1' });
  tenant = over;
  expect(await rows()).toEqual({ encodings: '0', compressions: '0' });
  expect((await client().getCompression({ id: stays.id }, { token })).id).toBe(stays.id);
});

it('its blobs say that they end with it', async () => {
  const { blobId, allTokensBlobId, expiresAt } = await compress('a');
  const explained = await client().explain({ picture: picture('a'), budget: budget(3) }, { token });
  for (const id of [blobId, allTokensBlobId, explained.blobId]) expect(blobs.stored.get(id)!.expiresAt!.getTime()).toBe(Number(expiresAt!.seconds) * 1_000 + expiresAt!.nanos / 1e6);
});
