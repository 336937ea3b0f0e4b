import { LocalChannel } from '@touchstone/contracts';
import { EchoService } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { createDataSource, Database } from '@touchstone/persistence';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { log } from '@touchstone/runtime/logging';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import request from 'supertest';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKey, openKeys, operator, start } from '../index.ts';
import { startEcho } from '../rest/echo.spec-service.ts';
import { defaultRequestsPerMinute, RateLimiter } from './rate-limiter.ts';

let server: TestDatabase;
let databases: Database[];
let administration: ReturnType<typeof openKeys>;

beforeAll(async () => {
  server = await testDatabase({ service: 'gateway' });
  administration = openKeys(server);
  databases = [0, 1].map(() => new Database({ url: server.url, systemUrl: server.systemUrl, service: 'gateway', entities: [] }));
});

afterAll(async () => {
  await administration?.close();
  for (const database of databases ?? []) await database.close();
});

const minute = async () => (await databases[0].systemQuery<{ minute: Date }>(`select date_trunc('minute', now()) as minute`))[0].minute.getTime();

/** Runs a check in one minute of the database: what began in another one is done again. */
async function withinOneMinute<T>(check: () => Promise<T>): Promise<T> {
  for (;;) {
    const before = await minute();
    const result = await check();
    if ((await minute()) === before) return result;
  }
}

const ofTenant = (id: string) => ({ policy: 'requests', id }) as const;

async function tenantWith(requestsPerMinute?: number): Promise<string> {
  const { id } = await administration.tenants.create(`tenant ${Math.random()}`, operator);
  if (requestsPerMinute !== undefined) await administration.tenants.limit({ id }, { requestsPerMinute }, operator);
  return id;
}

it.each([1, 7, 50, 1_000])('two gateways let exactly %d requests through together', async (limit) => {
  const allowed = await withinOneMinute(async () => {
    const tenant = await tenantWith(limit);
    const gateways = databases.map((database) => new RateLimiter(database));
    const answers = await Promise.all(Array.from({ length: limit + 50 }, (_, index) => gateways[index % 2].take(ofTenant(tenant))));
    // What one took and did not hand out, the other does not have.
    for (const gateway of gateways) for (let last = await gateway.take(ofTenant(tenant)); last.isAllowed; last = await gateway.take(ofTenant(tenant))) answers.push(last);
    return answers.filter(({ isAllowed }) => isAllowed).length;
  });
  expect(allowed).toBe(limit);
});

it('asks the database for a hundredth of the limit at once', async () => {
  const calls = await withinOneMinute(async () => {
    let calls = 0;
    const counting = { systemQuery: (...query: Parameters<Database['systemQuery']>) => ((calls += 1), databases[0].systemQuery(...query)) } as unknown as Database;
    const gateway = new RateLimiter(counting);
    const tenant = await tenantWith(10_000);
    for (let index = 0; index < 1_001; index++) await gateway.take(ofTenant(tenant));
    return calls;
  });
  expect(calls).toBe(11); // the first asks for one, to learn the limit
});

it('says what is left and when the minute ends', async () => {
  const answers = await withinOneMinute(async () => {
    const tenant = await tenantWith(2);
    const gateway = new RateLimiter(databases[0]);
    return [await gateway.take(ofTenant(tenant)), await gateway.take(ofTenant(tenant)), await gateway.take(ofTenant(tenant))];
  });
  expect(answers.map(({ isAllowed }) => isAllowed)).toEqual([true, true, false]);
  expect(answers.map(({ headers }) => headers['ratelimit-policy'])).toEqual(Array(3).fill('"requests";q=2;w=60'));
  expect(answers.map(({ headers }) => headers.ratelimit.split(';t=')[0])).toEqual(['"requests";r=1', '"requests";r=0', '"requests";r=0']);
  for (const { retryAfterSeconds } of answers) expect([retryAfterSeconds > 0, retryAfterSeconds <= 60]).toEqual([true, true]);
});

it('gives a tenant a new minute, and its new limit', async () => {
  let now = Date.now();
  const tenant = await tenantWith(1);
  const gateway = new RateLimiter(databases[0], () => now);
  await gateway.take(ofTenant(tenant));
  await administration.tenants.limit({ id: tenant }, { requestsPerMinute: 3 }, operator);
  const owner = createDataSource({ url: server.ownerUrl, service: 'gateway', entities: [] });
  await owner.initialize();
  await owner.query(`update gateway.request_count set minute = minute - interval '1 minute' where tenant_id = $1`, [tenant]);
  await owner.destroy();
  now += 60_000;
  expect(await gateway.take(ofTenant(tenant))).toMatchObject({ isAllowed: true, headers: { 'ratelimit-policy': '"requests";q=3;w=60' } });
});

it('lets callers in while the database is away', async () => {
  const { level } = log;
  log.level = 'silent'; // the outage of this test is on purpose
  const away = new RateLimiter({ systemQuery: () => Promise.reject(new Error('away')) } as unknown as Database);
  expect(await away.take(ofTenant('tenant'))).toMatchObject({ isAllowed: true, headers: { 'ratelimit-policy': `"requests";q=${defaultRequestsPerMinute};w=60` } });
  log.level = level;
});

/** Two gateways of one database, which show the echo. */
async function withGateways<T>(check: (urls: readonly string[]) => Promise<T>): Promise<T> {
  const { privateKey, publicKey } = generateTokenKeys();
  const tokens = new CallerTokens(privateKey);
  const echo = await startEcho({ verifier: new CallerTokenVerifier(publicKey) });
  const upstreams = [{ service: EchoService, channel: new LocalChannel(echo.server) }];
  const gateways = await Promise.all([0, 1].map(() => start({ host: '127.0.0.1', port: 0, upstreams, tokens, database: server })));
  try {
    return await check(gateways.map(({ url }) => url));
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await echo.stop();
  }
}

/** Calls the gateways in turn. */
async function callInTurn(urls: readonly string[], key: string, times: number) {
  const answers = [];
  for (let index = 0; index < times; index++) answers.push(await request(urls[index % urls.length]).get('/v1/echoes/a').set('Authorization', `Bearer ${key}`));
  return answers;
}

it('shows on every answer, and as 429 with Retry-After on two gateways of one database', async () => {
  await withGateways(async (urls) => {
    const statuses = await withinOneMinute(async () => {
      const tenantName = `limited ${Math.random()}`;
      const { key } = await createKey(server, { tenantName, name: 'limited', scopes: ['*'] });
      await administration.tenants.limit({ name: tenantName }, { requestsPerMinute: 3 }, operator);
      const answers = await callInTurn(urls, key, 5);
      return answers.map(({ status, headers, body }) => [status, headers['ratelimit-policy'], headers['retry-after'] === undefined, body.type]);
    });
    const allowed = [200, '"requests";q=3;w=60', true, undefined];
    const refused = [429, '"requests";q=3;w=60', false, '/problems/too-many-requests'];
    expect(statuses).toEqual([allowed, allowed, allowed, refused, refused]);
    await request(urls[0]).get('/livez').expect(200);
  });
});

it('a key has its own limit over both gateways, and what it is refused takes nothing from its tenant', async () => {
  await withGateways(async (urls) => {
    const [limited, other] = await withinOneMinute(async () => {
      const tenantName = `of keys ${Math.random()}`;
      const { key } = await createKey(server, { tenantName, name: 'limited', scopes: ['*'], requestsPerMinute: 2 });
      const { key: free } = await createKey(server, { tenantName, name: 'free', scopes: ['*'] });
      await administration.tenants.limit({ name: tenantName }, { requestsPerMinute: 4 }, operator);
      return [await callInTurn(urls, key, 4), await callInTurn(urls, free, 3)];
    });
    expect(limited.map(({ status }) => status)).toEqual([200, 200, 429, 429]);
    expect(limited[0].headers['ratelimit-policy']).toBe('"key";q=2;w=60, "requests";q=4;w=60');
    expect(limited[0].headers.ratelimit.replace(/t=\d+/g, 't')).toBe('"key";r=1;t, "requests";r=3;t');
    expect(limited[2].headers['ratelimit-policy']).toBe('"key";q=2;w=60');
    expect(limited[2].body).toMatchObject({ type: '/problems/too-many-requests', detail: expect.stringContaining('The key') });
    expect(Number(limited[2].headers['retry-after'])).toBeGreaterThan(0);
    expect(other.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(other[0].headers['ratelimit-policy']).toBe('"requests";q=4;w=60');
  });
});

it('a tenant without a limit has the one that the operator set for all', async () => {
  const gateway = new RateLimiter(databases[0], Date.now, 5);
  expect(await gateway.take(ofTenant(await tenantWith()))).toMatchObject({ headers: { 'ratelimit-policy': '"requests";q=5;w=60' } });
});
