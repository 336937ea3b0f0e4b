import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase } from '@touchstone/testing';
import pg from 'pg';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey, gatewayContractServer, type RunningGateway, start } from '../index.ts';

let gateway: RunningGateway;
let folder: string;
let owner: pg.Client;
let admin: Awaited<ReturnType<typeof createKey>>;
let narrow: typeof admin;
let other: typeof admin;

beforeAll(async () => {
  const database = await testDatabase({ service: 'gateway' });
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  folder = await mkdtemp(join(tmpdir(), 'touchstone-keys-'));
  const { privateKey, publicKey } = generateTokenKeys();
  const server = gatewayContractServer({ verifier: new CallerTokenVerifier(publicKey) });
  gateway = await start({ host: '127.0.0.1', port: 0, upstreams: [], own: { server, blobs: { folder } }, tokens: new CallerTokens(privateKey), database });
  admin = await createKey(database, { tenantName: 'one', name: 'admin', scopes: ['*'] });
  narrow = await createKey(database, { tenantName: 'one', name: 'narrow', scopes: ['keys:read', 'keys:write', 'retrieval:read'] });
  other = await createKey(database, { tenantName: 'two', name: 'other', scopes: ['keys:read', 'keys:write', 'retrieval:read', 'retrieval:write'] });
});

afterAll(async () => {
  await gateway?.stop();
  await owner?.end();
  await rm(folder, { recursive: true, force: true });
});

const call = (method: 'get' | 'post' | 'delete', path: string, { key }: { key: string } = admin) => request(gateway.url)[method](path).set('Authorization', `Bearer ${key}`);
const opens = async (key: string) => (await call('get', '/v1/keys?limit=1', { key })).status;

describe('tenants', () => {
  it('are created once for a name, and each has keys of its own', async () => {
    const name = `tenant ${randomUUID()}`;
    const tenant = (await call('post', '/v1/tenants').send({ name }).expect(201)).body;
    expect(tenant).toMatchObject({ name, id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    const again = await call('post', '/v1/tenants').send({ name }).expect(409);
    expect(again.body).toMatchObject({ type: '/problems/tenant-exists', violations: [{ pointer: '/name' }] });

    const created = await call('post', '/v1/keys').send({ name: 'first', scopes: ['keys:read'], tenantId: tenant.id }).expect(201);
    expect(created.body.key.tenantId).toBe(tenant.id);
    const seen = await call('get', '/v1/keys', { key: created.body.secret }).expect(200);
    expect(seen.body.keys.map(({ id }: { id: string }) => id)).toEqual([created.body.key.id]);
  });

  it('come in pages, oldest first, each once', async () => {
    for (let index = 0; index < 3; index++) await call('post', '/v1/tenants').send({ name: `paged ${index} ${randomUUID()}` }).expect(201);
    const names: string[] = [];
    for (let cursor = ''; ; ) {
      const { body } = await call('get', `/v1/tenants?limit=2${cursor}`).expect(200);
      names.push(...body.tenants.map(({ name }: { name: string }) => name));
      if (body.nextCursor === undefined) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    const { rows } = await owner.query('select name from gateway.tenant order by created_at, id');
    expect(names).toEqual(rows.map(({ name }) => name));
  });

  it('are no business of a tenant’s own keys', async () => {
    await call('get', '/v1/tenants', narrow).expect(403);
    await call('post', '/v1/tenants', narrow).send({ name: 'mine' }).expect(403);
    const refused = await call('post', '/v1/keys', narrow).send({ name: 'x', scopes: ['retrieval:read'], tenantId: other.tenantId }).expect(403);
    expect(refused.body.detail).toContain('platform:admin');
    await call('post', '/v1/keys').send({ name: 'x', scopes: ['retrieval:read'], tenantId: randomUUID() }).expect(404);
  });
});

describe('keys', () => {
  it('are shown in full once', async () => {
    const { body } = await call('post', '/v1/keys', narrow).send({ name: 'reader', scopes: ['keys:read'], expiresAt: '2999-01-01T00:00:00Z' }).expect(201);
    expect(body.secret).toMatch(/^ts_live_[0-9a-f]{12}_[0-9a-f]{48}$/);
    expect(await opens(body.secret)).toBe(200);
    const { text } = await call('get', '/v1/keys', narrow).expect(200);
    expect(text).toContain(body.key.id);
    expect(text).not.toContain(body.secret.slice(-48));
    expect(text).not.toMatch(/hash/i);
  });

  it('cannot grant what they lack, by creating or by rotating', async () => {
    for (const scopes of [['retrieval:write'], ['*'], ['retrieval:read', 'platform:admin']]) {
      const refused = await call('post', '/v1/keys', narrow).send({ name: 'more', scopes }).expect(403);
      expect(refused.body.type).toBe('/problems/scope-missing');
    }
    await call('post', `/v1/keys/${admin.id}:rotate`, narrow).send({}).expect(403);
    expect(await opens(admin.key)).toBe(200);
  });

  it('of another tenant are not there', async () => {
    for (const id of [narrow.id, '0'.repeat(12)]) {
      const rotated = await call('post', `/v1/keys/${id}:rotate`, other).send({}).expect(404);
      expect(rotated.body).toMatchObject({ type: '/problems/key-not-found', violations: [{ parameter: 'id' }] });
      await call('delete', `/v1/keys/${id}`, other).expect(404);
    }
    const { body } = await call('get', '/v1/keys', other).expect(200);
    expect(body.keys.map(({ id }: { id: string }) => id)).toEqual([other.id]);
  });

  it('get a new secret that opens at once; the old one ends at once without a grace', async () => {
    const { body: first } = await call('post', '/v1/keys').send({ name: 'rotated', scopes: ['keys:read'] }).expect(201);
    expect(await opens(first.secret)).toBe(200);
    const { body: second } = await call('post', `/v1/keys/${first.key.id}:rotate`).send({}).expect(200);
    expect(second.key).not.toHaveProperty('oldSecretUntil');
    expect(await opens(second.secret)).toBe(200);
    expect(await opens(first.secret)).toBe(401);
  });

  it('keep the old secret for the grace, and no longer', async () => {
    const { body: first } = await call('post', '/v1/keys').send({ name: 'graceful', scopes: ['keys:read'] }).expect(201);
    const { body: second } = await call('post', `/v1/keys/${first.key.id}:rotate`).send({ graceHours: 2 }).expect(200);
    expect(Date.parse(second.key.oldSecretUntil) - Date.now()).toBeGreaterThan(3_600_000);
    expect([await opens(second.secret), await opens(first.secret)]).toEqual([200, 200]);
    const { body: third } = await call('post', `/v1/keys/${first.key.id}:rotate`).send({ graceHours: 1 }).expect(200);
    expect([await opens(third.secret), await opens(second.secret), await opens(first.secret)]).toEqual([200, 200, 401]);
  });

  it('are revoked once and for ever', async () => {
    const { body } = await call('post', '/v1/keys').send({ name: 'lost', scopes: ['keys:read'] }).expect(201);
    const first = await call('delete', `/v1/keys/${body.key.id}`).expect(200);
    expect(first.body).toHaveProperty('revokedAt');
    expect((await call('delete', `/v1/keys/${body.key.id}`).expect(200)).body).toEqual(first.body);
    expect(await opens(body.secret)).toBe(401);
    expect((await call('post', `/v1/keys/${body.key.id}:rotate`).send({}).expect(409)).body.type).toBe('/problems/key-revoked');
  });

  it.each(['x', 'AAAA', Buffer.from('not a place').toString('base64url')])('refuse the cursor %j', async (cursor) => {
    const refused = await call('get', `/v1/keys?cursor=${cursor}`).expect(400);
    expect(refused.body.violations).toMatchObject([{ parameter: 'cursor' }]);
  });
});

describe('the audit log', () => {
  it('says who did what to what, by which request, newest first', async () => {
    const { body } = await call('post', '/v1/keys').set('X-Request-Id', 'audited-1').send({ name: 'audited', scopes: ['keys:read'] }).expect(201);
    await call('post', `/v1/keys/${body.key.id}:rotate`).set('X-Request-Id', 'audited-2').send({}).expect(200);
    const seen = await call('get', '/v1/audit?limit=2').expect(200);
    expect(seen.body.entries).toMatchObject([
      { action: 'key.rotated', target: body.key.id, keyId: admin.id, tenantId: admin.tenantId, requestId: 'audited-2' },
      { action: 'key.created', target: body.key.id, keyId: admin.id, tenantId: admin.tenantId, requestId: 'audited-1' },
    ]);
    const next = await call('get', `/v1/audit?limit=2&cursor=${seen.body.nextCursor}`).expect(200);
    expect(next.body.entries[0].requestId).not.toBe('audited-1');
    expect(seen.text).not.toContain(body.secret.slice(-48));
  });

  it('has operators’ own commands without a key, and nothing of what was refused', async () => {
    const { rows } = await owner.query('select action, key_id from gateway.audit where target = $1', [other.id]);
    expect(rows).toEqual([{ action: 'key.created', key_id: null }]);
    await call('get', '/v1/audit', narrow).expect(403);
  });

  it('cannot be changed by the role that writes it', async () => {
    await owner.query('set role gateway_system');
    await expect(owner.query(`update gateway.audit set action = 'nothing'`)).rejects.toThrow('permission denied');
    await expect(owner.query('delete from gateway.audit')).rejects.toThrow('permission denied');
    await owner.query('reset role');
  });
});
