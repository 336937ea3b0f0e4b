import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalChannel, Reason, serviceClient } from '@touchstone/contracts';
import { BlobService } from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey, gatewayContractServer, type RunningGateway, start } from '../index.ts';
import { BlobSweep } from './blob-sweep.ts';

const maximumBytes = 4 * 1024 * 1024;
const { privateKey, publicKey } = generateTokenKeys();
const tokens = new CallerTokens(privateKey);
const server = gatewayContractServer({ verifier: new CallerTokenVerifier(publicKey) });
let database: TestDatabase;
let folder: string;
let gateway: RunningGateway;
let keys: Record<'first' | 'second' | 'reader' | 'none', string>;
let tenantId: string;

beforeAll(async () => {
  database = await testDatabase({ service: 'gateway' });
  folder = await mkdtemp(join(tmpdir(), 'touchstone-blobs-'));
  const own = { server, blobs: { folder, maximumBytes } };
  gateway = await start({ host: '127.0.0.1', port: 0, upstreams: [], tokens, database, own });
  const make = (tenantName: string, ...scopes: string[]) => createKey(database, { tenantName, name: 'tests', scopes });
  const first = await make('first', 'blobs:write', 'blobs:read');
  tenantId = first.tenantId;
  keys = {
    first: first.key,
    second: (await make('second', '*')).key,
    reader: (await make('first', 'blobs:read')).key,
    none: (await make('first', 'retrieval:write')).key,
  };
});

afterAll(async () => {
  await gateway?.stop();
  await database?.drop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

type Sent = { key?: keyof typeof keys; headers?: Record<string, string>; body?: Uint8Array<ArrayBuffer> | string };

function send(method: string, path: string, { key = 'first', headers = {}, body }: Sent = {}): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { method, headers: { authorization: `Bearer ${keys[key]}`, ...headers }, body });
}

const bytesOf = (size: number) => new Uint8Array(randomBytes(size));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const json = (body: object) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

async function store(body = bytesOf(100_000), key: Sent['key'] = 'first'): Promise<string> {
  const answer = await send('POST', '/v1/blobs', { key, body });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}

/** Every file of the blob folder, without its tenants. */
async function files(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name).sort();
}

/** Sends the first bytes of a longer body, waits until the server has some of them, and cuts the connection. */
async function sendAndCut(method: string, path: string, headers: Record<string, string>, body: Uint8Array): Promise<void> {
  const before = (await files()).length;
  const { hostname, port } = new URL(gateway.url);
  const call = httpRequest({ hostname, port, method, path, headers: { authorization: `Bearer ${keys.first}`, 'content-length': '4000000', ...headers } });
  call.on('error', () => undefined);
  await new Promise<void>((resolve) => call.write(body, () => resolve()));
  await expect.poll(async () => (await files()).length).toBe(before + 1);
  call.destroy();
}

describe('POST /v1/blobs', () => {
  it('names bytes by their content; the same bytes again are the same blob', async () => {
    const body = bytesOf(3_000_000);
    const first = await send('POST', '/v1/blobs', { body, headers: { 'content-type': 'image/PNG; q=1' } });
    expect(first.status).toBe(201);
    expect(await first.json()).toEqual({ id: sha256(body), bytes: 3_000_000, mediaType: 'image/png' });
    const again = await send('POST', '/v1/blobs', { body });
    expect(await again.json()).toEqual({ id: sha256(body), bytes: 3_000_000, mediaType: 'image/png' });
    expect((await files()).filter((name) => name === sha256(body))).toHaveLength(1);
  });

  it('takes JSON as bytes, and a body without a type', async () => {
    const answer = await send('POST', '/v1/blobs', { headers: { 'content-type': 'application/json' }, body: '{ "not": ' });
    expect(await answer.json()).toMatchObject({ bytes: 9, mediaType: 'application/json' });
    expect(await (await send('POST', '/v1/blobs', { body: bytesOf(5) })).json()).toMatchObject({ mediaType: 'application/octet-stream' });
  });

  it.each([
    ['no byte', {}, 400, 'invalid-request'],
    ['more bytes than the limit', { body: bytesOf(maximumBytes + 1) }, 413, 'body-too-large'],
    ['a type that is none', { body: 'a', headers: { 'content-type': '../../x' } }, 415, 'unsupported-media-type'],
    ['a key without the scope', { body: 'a', key: 'reader' as const }, 403, 'scope-missing'],
  ])('refuses %s', async (_, sent: Sent, status, reason) => {
    const before = await files();
    const answer = await send('POST', '/v1/blobs', sent);
    expect([answer.status, ((await answer.json()) as { type: string }).type]).toEqual([status, `/problems/${reason}`]);
    expect(await files()).toEqual(before);
  });

  it('a body that ends early leaves nothing', async () => {
    const before = await files();
    await sendAndCut('POST', '/v1/blobs', {}, bytesOf(500_000));
    await expect.poll(files).toEqual(before);
  });

  it('100 at the same time with the same bytes make one blob', async () => {
    const body = bytesOf(200_000);
    const before = (await files()).length;
    const answers = await Promise.all(Array.from({ length: 100 }, () => send('POST', '/v1/blobs', { body })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(await Promise.all(answers.map(async (answer) => ((await answer.json()) as { id: string }).id)))).toEqual(new Set([sha256(body)]));
    expect(await files()).toHaveLength(before + 1);
  });
});

describe('GET and DELETE /v1/blobs/{id}', () => {
  it('gives back what was stored, whole or in part, and its facts to HEAD', async () => {
    const body = bytesOf(700_000);
    const path = `/v1/blobs/${await store(body)}`;
    const whole = await send('GET', path, { key: 'reader' });
    expect(Buffer.from(await whole.arrayBuffer()).equals(Buffer.from(body))).toBe(true);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'application/octet-stream', 'content-length': '700000', 'content-disposition': 'attachment', 'x-content-type-options': 'nosniff',
    });
    const part = await send('GET', path, { headers: { range: 'bytes=1000-1999' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1000-1999/700000']);
    expect(Buffer.from(await part.arrayBuffer()).equals(Buffer.from(body.subarray(1000, 2000)))).toBe(true);
    const head = await send('HEAD', path);
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '700000']);
    expect((await send('GET', path, { headers: { range: 'bytes=700000-' } })).status).toBe(416);
  });

  it('deletes row and bytes', async () => {
    const id = await store();
    expect((await send('DELETE', `/v1/blobs/${id}`)).status).toBe(200);
    expect((await send('GET', `/v1/blobs/${id}`)).status).toBe(404);
    expect(await files()).not.toContain(id);
    expect((await send('DELETE', `/v1/blobs/${id}`)).status).toBe(404);
  });

  it('another tenant’s blob is absent, even for who knows its hash, until that tenant has the bytes itself', async () => {
    const body = bytesOf(1_000);
    const path = `/v1/blobs/${await store(body)}`;
    const never = await (await send('GET', `/v1/blobs/${sha256(bytesOf(8))}`, { key: 'second' })).json();
    const others = await send('GET', path, { key: 'second' });
    expect(others.status).toBe(404);
    expect(await others.json()).toMatchObject({ type: (never as { type: string }).type });
    expect((await send('DELETE', path, { key: 'second' })).status).toBe(404);
    await store(body, 'second');
    expect((await send('DELETE', path)).status).toBe(200);
    expect((await send('GET', path, { key: 'second' })).status).toBe(200);
  });

  it.each(['..%2f..%2f..%2fetc%2fpasswd', '..', '%2e%2e%5c%2e%2e', 'A'.repeat(64), '%00', `${'0'.repeat(63)}g`])('no id is a path: %s', async (id) => {
    const answer = await fetch(`${gateway.url}/v1/blobs/${id}`, { headers: { authorization: `Bearer ${keys.first}` } });
    expect([400, 404, 405]).toContain(answer.status);
  });
});

describe('uploads', () => {
  const create = async (bytes: number, more: object = {}): Promise<string> => {
    const answer = await send('POST', '/v1/uploads', json({ bytes, ...more }));
    expect(answer.status).toBe(201);
    return `/v1/uploads/${((await answer.json()) as { id: string }).id}`;
  };
  const append = (path: string, offset: number, body: Uint8Array<ArrayBuffer>, key?: Sent['key']) =>
    send('PATCH', path, { key, headers: { 'upload-offset': String(offset) }, body });

  it('become a blob with the last byte, and the parts go', async () => {
    const body = bytesOf(3_000_000);
    const path = await create(body.byteLength, { mediaType: 'image/png', sha256: sha256(body) });
    expect(await (await append(path, 0, body.slice(0, 1_000_000))).json()).toMatchObject({ offset: 1_000_000 });
    const last = await append(path, 1_000_000, body.slice(1_000_000));
    const blob = { id: sha256(body), bytes: 3_000_000, mediaType: 'image/png' };
    expect(await last.json()).toMatchObject({ offset: 3_000_000, blob });
    expect(await (await send('GET', path)).json()).toMatchObject({ blob });
    const stored = await send('GET', `/v1/blobs/${blob.id}`);
    expect(sha256(new Uint8Array(await stored.arrayBuffer()))).toBe(blob.id);
    expect((await files()).filter((name) => name.length === 36)).toEqual([]);
  });

  it('go on where a broken connection left them', async () => {
    const body = bytesOf(4_000_000);
    const path = await create(body.byteLength, { sha256: sha256(body) });
    await sendAndCut('PATCH', path, { 'upload-offset': '0' }, body.subarray(0, 900_000));
    const offsetNow = async () => ((await (await send('GET', path)).json()) as { offset: number }).offset;
    await expect.poll(offsetNow).toBeGreaterThan(0);
    const offset = await offsetNow();
    expect(await (await append(path, offset, body.slice(offset))).json()).toMatchObject({ blob: { id: sha256(body) } });
  });

  it('of two writers at one offset, one is kept', async () => {
    const body = bytesOf(100_000);
    const path = await create(200_000);
    const answers = await Promise.all([append(path, 0, body), append(path, 0, body)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect((await files()).filter((name) => name.length === 36)).toHaveLength(1);
    expect((await send('DELETE', path)).status).toBe(200);
  });

  it.each([
    ['another offset', 5, 10, 409],
    ['bytes beyond the announced size', 0, 11, 413],
  ])('refuse %s', async (_, offset, size, status) => {
    expect((await append(await create(10), offset, bytesOf(size))).status).toBe(status);
  });

  it('refuse a request without an offset, a size over the limit and other bytes than announced', async () => {
    const path = await create(10, { sha256: sha256(bytesOf(10)) });
    expect((await send('PATCH', path, { body: bytesOf(10) })).status).toBe(400);
    expect((await append(path, 0, bytesOf(10))).status).toBe(422);
    expect((await send('GET', path)).status).toBe(404);
    expect((await send('POST', '/v1/uploads', json({ bytes: maximumBytes + 1 }))).status).toBe(413);
  });

  it('are absent for another tenant', async () => {
    const path = await create(10);
    for (const call of [send('GET', path, { key: 'second' }), send('DELETE', path, { key: 'second' }), append(path, 0, bytesOf(10), 'second')]) {
      expect((await call).status).toBe(404);
    }
  });

  it('expire, and files that no row names go after an hour', async () => {
    const sweep = gateway.app.get(BlobSweep);
    const kept = await store();
    const path = await create(10);
    await append(path, 0, bytesOf(5));
    const orphan = sha256(bytesOf(10));
    const orphanPath = join(folder, tenantId, orphan.slice(0, 2), orphan);
    await mkdir(join(orphanPath, '..'), { recursive: true });
    await writeFile(orphanPath, 'of a process that died between file and row');
    const anHourAgo = new Date(Date.now() - 3_700_000);
    await utimes(orphanPath, anHourAgo, anHourAgo);

    await sweep.sweep(new Date());
    expect(await files()).not.toContain(orphan);
    expect((await send('GET', path)).status).toBe(200);

    await sweep.sweep(new Date(Date.now() + 25 * 3_600_000));
    expect((await send('GET', path)).status).toBe(404);
    expect((await send('GET', `/v1/blobs/${kept}`)).status).toBe(200);
    expect((await files()).filter((name) => name.length === 36)).toEqual([]);
  });
});

describe('ReadBlob', () => {
  const client = serviceClient(BlobService, new LocalChannel(server));
  const tokenFor = (tenant: string, ...scopes: string[]) => tokens.issue({ tenant: { id: tenant }, keyId: 'tests', scopes });

  it('gives a service the facts, then the bytes', async () => {
    const body = bytesOf(600_000);
    const id = await store(body);
    const read: Uint8Array[] = [];
    for await (const { part } of client.readBlob({ id }, { token: await tokenFor(tenantId, 'blobs:read') })) {
      if (part.case === 'blob') expect(part.value).toMatchObject({ id, bytes: 600_000 });
      if (part.case === 'data') read.push(part.value);
    }
    expect(read).toHaveLength(3);
    expect(sha256(Buffer.concat(read))).toBe(id);
  });

  it('gives a service a part of the bytes', async () => {
    const body = bytesOf(600_000);
    const id = await store(body);
    const token = await tokenFor(tenantId, 'blobs:read');
    const read = async (range: { offset?: number; length?: number }) => {
      const pieces: Uint8Array[] = [];
      for await (const { part } of client.readBlob({ id, ...range }, { token })) if (part.case === 'data') pieces.push(part.value);
      return Buffer.concat(pieces);
    };
    expect(await read({ offset: 599_990 })).toEqual(Buffer.from(body.subarray(599_990)));
    expect(await read({ offset: 10, length: 300_000 })).toEqual(Buffer.from(body.subarray(10, 300_010)));
    expect(await read({ offset: 599_999, length: 10 })).toEqual(Buffer.from(body.subarray(599_999)));
    expect(await read({ offset: 600_000, length: 10 })).toHaveLength(0);
    await expect(read({ length: 0 })).rejects.toMatchObject({ reason: Reason.INVALID_REQUEST });
  });

  it.each([
    ['another tenant', '00000000-0000-4000-8000-000000000000', 'blobs:read', Reason.BLOB_NOT_FOUND],
    ['a key without the scope', undefined, 'retrieval:write', Reason.SCOPE_MISSING],
  ])('refuses %s', async (_, tenant, scope, reason) => {
    const id = await store();
    const read = client.readBlob({ id }, { token: await tokenFor(tenant ?? tenantId, scope) })[Symbol.asyncIterator]();
    await expect(read.next()).rejects.toMatchObject({ reason });
  });
});
