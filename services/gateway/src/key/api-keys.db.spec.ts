import { LocalChannel, Reason } from '@touchstone/contracts';
import { EchoService } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase } from '@touchstone/testing';
import { createDataSource, schemaDifference } from '@touchstone/persistence';
import request from 'supertest';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKey, openKeys, operator, type RunningGateway, start } from '../index.ts';
import { startEcho } from '../rest/echo.spec-service.ts';
import { BlobRow, UploadRow } from '../blob/blob.entity.ts';
import { AuditRow } from '../audit/audit.entity.ts';
import { RequestCountRow } from '../limit/request-count.entity.ts';
import { ApiKeyRow, TenantRow } from './api-key.entity.ts';

let database: Awaited<ReturnType<typeof testDatabase>>;
let gateway: RunningGateway;
let echo: Awaited<ReturnType<typeof startEcho>>;
let administration: ReturnType<typeof openKeys>;

beforeAll(async () => {
  database = await testDatabase({ service: 'gateway' });
  administration = openKeys(database);
  const { privateKey, publicKey } = generateTokenKeys();
  echo = await startEcho({ verifier: new CallerTokenVerifier(publicKey) });
  const upstreams = [{ service: EchoService, channel: new LocalChannel(echo.server) }];
  gateway = await start({ host: '127.0.0.1', port: 0, upstreams, tokens: new CallerTokens(privateKey), database });
});

afterAll(async () => {
  await gateway?.stop();
  await echo?.stop();
  await administration?.close();
});

const get = (key?: string) => {
  const call = request(gateway.url).get('/v1/echoes/a');
  return key === undefined ? call : call.set('Authorization', `Bearer ${key}`);
};

it('entities and migrated schema do not differ', async () => {
  const source = createDataSource({ url: database.ownerUrl, service: 'gateway', entities: [TenantRow, ApiKeyRow, AuditRow, RequestCountRow, BlobRow, UploadRow] });
  await source.initialize();
  try {
    expect(await schemaDifference(source)).toEqual([]);
  } finally {
    await source.destroy();
  }
});

it('creates a tenant once for all its keys, and two tenants for two names', async () => {
  const first = await createKey(database, { tenantName: 'one', name: 'a', scopes: ['echo:read'] });
  const second = await administration.keys.create({ tenantName: 'one', name: 'b', scopes: ['echo:read'] });
  const other = await administration.keys.create({ tenantName: 'two', name: 'a', scopes: ['echo:read'] });
  expect(second.tenantId).toBe(first.tenantId);
  expect(other.tenantId).not.toBe(first.tenantId);
});

it('two keys for a new tenant at the same time share the tenant', async () => {
  const both = await Promise.all(['a', 'b'].map((name) => administration.keys.create({ tenantName: 'raced', name, scopes: ['*'] })));
  expect(both[0].tenantId).toBe(both[1].tenantId);
});

it.each([[['admin']], [['echo:delete']], [[]], [['echo:read', '']]])('refuses the scopes %j', async (scopes) => {
  await expect(administration.keys.create({ tenantName: 'one', name: 'a', scopes })).rejects.toThrow(RangeError);
});

it('lists keys without anything that could open a door', async () => {
  const { key, id } = await administration.keys.create({ tenantName: 'listed', name: 'shown', scopes: ['echo:read'] });
  const listed = await administration.keys.list();
  expect(listed.find((each) => each.id === id)).toMatchObject({ tenantName: 'listed', name: 'shown', scopes: ['echo:read'] });
  expect(JSON.stringify(listed)).not.toContain(key.slice(-48));
  expect(JSON.stringify(listed)).not.toMatch(/hash/i);
});

it('opens with a key, and refuses none, wrong, expired and revoked ones with 401', async () => {
  const { key } = await administration.keys.create({ tenantName: 'one', name: 'good', scopes: ['echo:read'] });
  await get(key).expect(200);
  const wrong = key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
  const { key: expired } = await administration.keys.create({ tenantName: 'one', name: 'old', scopes: ['*'], expiresAt: new Date(Date.now() - 1) });
  const revoked = await administration.keys.create({ tenantName: 'one', name: 'lost', scopes: ['*'] });
  await administration.keys.revoke({ id: revoked.id }, operator);
  for (const shown of [undefined, '', 'ts_live_x', wrong, expired, revoked.key]) {
    const answer = await get(shown).expect(401).expect('WWW-Authenticate', 'Bearer realm="touchstone"').expect('Content-Type', 'application/problem+json');
    expect(answer.body.type).toBe('/problems/unauthenticated');
  }
  await expect(administration.keys.revoke({ id: '0'.repeat(12) }, operator)).rejects.toMatchObject({ reason: Reason.KEY_NOT_FOUND });
});

it('403 names the scope that a key lacks', async () => {
  const { key } = await administration.keys.create({ tenantName: 'one', name: 'narrow', scopes: ['echo:write', 'retrieval:read'] });
  const answer = await get(key).expect(403);
  expect(answer.body).toMatchObject({ type: '/problems/scope-missing', detail: 'The key needs the scope echo:read.' });
});

it('notes when a key was used', async () => {
  const { key, id } = await administration.keys.create({ tenantName: 'one', name: 'used', scopes: ['echo:read'] });
  await get(key).expect(200);
  const used = async () => (await administration.keys.list()).find((each) => each.id === id)!.lastUsedAt;
  await expect.poll(used).toBeInstanceOf(Date);
});

it('the role of requests cannot read keys', async () => {
  const source = createDataSource({ url: database.url, service: 'gateway', entities: [ApiKeyRow] });
  await source.initialize();
  try {
    await expect(source.query('select * from gateway.api_key')).rejects.toThrow(/permission denied/);
  } finally {
    await source.destroy();
  }
});
