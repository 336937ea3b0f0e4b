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

async function tenantWith(requestsPerMinute?: number): Promise<string> {
  const { id } = await administration.tenants.create(`tenant ${Math.random()}`, operator);
  if (requestsPerMinute !== undefined) await administration.tenants.limit({ id }, requestsPerMinute, operator);
  return id;
}

it.each([1, 7, 50, 1_000])('two gateways let exactly %d requests through together', async (limit) => {
  const allowed = await withinOneMinute(async () => {
    const tenant = await tenantWith(limit);
    const gateways = databases.map((database) => new RateLimiter(database));
    const answers = await Promise.all(Array.from({ length: limit + 50 }, (_, index) => gateways[index % 2].take(tenant)));
    // What one took and did not hand out, the other does not have.
    for (const gateway of gateways) for (let last = await gateway.take(tenant); last.isAllowed; last = await gateway.take(tenant)) answers.push(last);
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
    for (let index = 0; index < 1_001; index++) await gateway.take(tenant);
    return calls;
  });
  expect(calls).toBe(11); // the first asks for one, to learn the limit
});

it('says what is left and when the minute ends', async () => {
  const answers = await withinOneMinute(async () => {
    const tenant = await tenantWith(2);
    const gateway = new RateLimiter(databases[0]);
    return [await gateway.take(tenant), await gateway.take(tenant), await gateway.take(tenant)];
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
  await gateway.take(tenant);
  await administration.tenants.limit({ id: tenant }, 3, operator);
  const owner = createDataSource({ url: server.ownerUrl, service: 'gateway', entities: [] });
  await owner.initialize();
  await owner.query(`update gateway.request_count set minute = minute - interval '1 minute' where tenant_id = $1`, [tenant]);
  await owner.destroy();
  now += 60_000;
  expect(await gateway.take(tenant)).toMatchObject({ isAllowed: true, headers: { 'ratelimit-policy': '"requests";q=3;w=60' } });
});

it('lets callers in while the database is away', async () => {
  const { level } = log;
  log.level = 'silent'; // the outage of this test is on purpose
  const away = new RateLimiter({ systemQuery: () => Promise.reject(new Error('away')) } as unknown as Database);
  expect(await away.take('tenant')).toMatchObject({ isAllowed: true, headers: { 'ratelimit-policy': `"requests";q=${defaultRequestsPerMinute};w=60` } });
  log.level = level;
});

it('shows on every answer, and as 429 with Retry-After on two gateways of one database', async () => {
  const { privateKey, publicKey } = generateTokenKeys();
  const tokens = new CallerTokens(privateKey);
  const echo = await startEcho({ verifier: new CallerTokenVerifier(publicKey) });
  const upstreams = [{ service: EchoService, channel: new LocalChannel(echo.server) }];
  const gateways = await Promise.all([0, 1].map(() => start({ host: '127.0.0.1', port: 0, upstreams, tokens, database: server })));
  try {
    const statuses = await withinOneMinute(async () => {
      const tenantName = `limited ${Math.random()}`;
      const { key } = await createKey(server, { tenantName, name: 'limited', scopes: ['*'] });
      await administration.tenants.limit({ name: tenantName }, 3, operator);
      const answers = [];
      for (let index = 0; index < 5; index++) answers.push(await request(gateways[index % 2].url).get('/v1/echoes/a').set('Authorization', `Bearer ${key}`));
      return answers.map(({ status, headers, body }) => [status, headers['ratelimit-policy'], headers['retry-after'] === undefined, body.type]);
    });
    const allowed = [200, '"requests";q=3;w=60', true, undefined];
    const refused = [429, '"requests";q=3;w=60', false, '/problems/too-many-requests'];
    expect(statuses).toEqual([allowed, allowed, allowed, refused, refused]);
    await request(gateways[0].url).get('/livez').expect(200);
  } finally {
    for (const gateway of gateways) await gateway.stop();
    await echo.stop();
  }
});
