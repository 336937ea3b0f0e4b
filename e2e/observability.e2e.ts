import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import supertest from 'supertest';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts';
import { photo } from './photos.ts';

/** Its own platform has one of each: figures of replicas would add up. */
const mode = inject('platform').mode === 'one-process' ? 'one-process' : 'per-service';
const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentSpanId = 'b7ad6b7169203331';
const requestId = 'observed-request';
/** Must appear in no line of the log and in no span. */
const canaries = { title: 'canary-title-4711', body: 'canary-body-4711', attribute: 'canary-attribute-4711', query: 'canary-query-4711', parameter: 'canary-parameter-4711', key: 'ts_live_canary4711' };

let receiver: OtlpReceiver;
let platform: TestPlatform;
let key: string;
let picture: string;

const lines = () => platform.processes.flatMap(({ log }) => log);
const logged = (part: object) => lines().map((line) => JSON.parse(line) as object).filter((line) => expect.objectContaining(part).asymmetricMatch(line));
const call = (method: 'get' | 'put' | 'post', path: string) => supertest(platform.url)[method](path).set('authorization', `Bearer ${key}`);
const metrics = async () => (await Promise.all(healthPorts().map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()))).join('\n');
const healthPorts = () => logged({ msg: 'serving' }).map((line) => (line as { healthPort: number }).healthPort);

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  platform = await startTestPlatform({
    mode,
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, TOUCHSTONE_HEALTH_PORT: '0', TOUCHSTONE_LOG_LEVEL: 'debug' },
  });
  await platform.ready();
  key = await platform.createKey('observed', ['*']);
  picture = await photo(0);

  await call('put', '/v1/collections/observed').send({}).expect(200);
  const item = { id: 'one', title: canaries.title, body: canaries.body, attributes: { secret: canaries.attribute }, images: [{ base64: picture }] };
  await call('post', '/v1/collections/observed/items:upsert')
    .set('traceparent', `00-${traceId}-${parentSpanId}-01`)
    .set('x-request-id', requestId)
    .send({ items: [item] })
    .expect(200);
  await call('post', '/v1/collections/observed/search').send({ query: { text: canaries.query } }).expect(200);
  await call('get', '/v1/operations').expect(200);
  // What is refused is written about more than what works.
  await call('post', '/v1/collections/observed/items:upsert').send({ items: [{ ...item, images: [{ base64: `${picture.slice(0, 400)}!` }] }] }).expect(400);
  await call('post', '/v1/collections/observed/items:upsert').send({ items: [{ ...item, id: '' }] }).expect(400);
  await call('get', `/v1/collections/observed?unknown=${canaries.parameter}`).expect(400);
  await supertest(platform.url).get('/v1/collections/observed').set('authorization', `Bearer ${canaries.key}`).expect(401);
  await call('get', '/v1/nothing-here').expect(404);
});
afterAll(async () => {
  await platform?.stop();
  await receiver?.stop();
});

it('writes one line for each request: route, status, duration, tenant and key', async () => {
  const route = '/v1/collections/{collection}/items:upsert';
  await vi.waitFor(() => {
    expect(logged({ msg: 'request', requestId })).toHaveLength(1);
    expect(logged({ msg: 'request', status: 401 })).toHaveLength(1);
    expect(logged({ msg: 'request', route: 'none', status: 404 }), JSON.stringify(logged({ msg: 'request' }))).toHaveLength(1);
  }, 20_000);
  expect(logged({ msg: 'request', requestId })[0]).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    ...{ service: 'gateway', requestId, traceId, method: 'POST', route, status: 200, msg: 'request' },
    durationMs: expect.any(Number),
    tenant: expect.stringMatching(/^[0-9a-f-]{36}$/),
    keyId: key.split('_')[2],
  });
});

it('names the service in every line, with a level in words and the time in ISO 8601', () => {
  for (const line of lines()) {
    const form = { level: expect.stringMatching(/^(debug|info|warn|error)$/), time: expect.stringMatching(/^\d{4}-.*Z$/), service: expect.stringMatching(/^[a-z-]+$/) };
    expect(JSON.parse(line), line).toMatchObject(form);
    expect(line.match(/"service":/g), line).toHaveLength(1);
  }
  expect(logged({ service: 'model-server' }).length).toBeGreaterThan(0);
});

it('connects a write and the consumer of its event in one trace', async () => {
  const root = 'POST /v1/collections/{collection}/items:upsert';
  const trace = await vi.waitFor(() => {
    const found = receiver.spans.filter((span) => span.traceId === traceId);
    // Each process sends its own, when it likes.
    expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(['process touchstone.retrieval.item.upserted.v1', root]));
    return found;
  }, 15_000);
  const byId = new Map(trace.map((span) => [span.spanId, span]));
  const ancestors = ({ parentSpanId: parent }: ReceivedSpan): string[] => {
    const span = byId.get(parent ?? '');
    return span ? [span.name, ...ancestors(span)] : [parent ?? 'none'];
  };
  const named = (name: string) => trace.find((span) => span.name.startsWith(name)) ?? expect.fail(`no span ${name}`);
  const method = 'touchstone.retrieval.v1.ItemService/UpsertItems';
  const aboveService = mode === 'one-process' ? [method, root] : [method, method, root];

  expect(named(root)).toMatchObject({ parentSpanId, service: 'gateway', kind: 2 });
  expect(ancestors(named('process '))).toEqual(['transaction', ...aboveService, parentSpanId]);
  expect(ancestors(named('infer '))).toEqual([...aboveService, parentSpanId]);
  expect(named('process ')).toMatchObject({ service: 'retrieval', kind: 5 });
  for (const span of trace) expect(BigInt(span.endTimeUnixNano), span.name).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
});

it('names the service that does the work, also for a contract that several serve', async () => {
  await vi.waitFor(() => expect(receiver.spans).toContainEqual(expect.objectContaining({ name: 'touchstone.operations.v1.OperationService/ListOperations', kind: 2, service: 'retrieval' })), 10_000);
});

it('shows figures of every part on the health port, and no tenant or id among the labels', async () => {
  await vi.waitFor(async () => expect(await metrics()).toMatch(/^touchstone_event_duration_seconds_count\{topic="touchstone.retrieval.item.upserted.v1",outcome="ok"\} 1$/m), 10_000);
  const text = await metrics();
  for (const line of [
    /^touchstone_http_request_duration_seconds_count\{method="POST",route="\/v1\/collections\/\{collection\}\/items:upsert",status="200"\} 1$/m,
    /^touchstone_http_request_duration_seconds_count\{method="GET",route="none",status="404"\} 1$/m,
    /^touchstone_http_requests_in_flight 0$/m,
    /^touchstone_call_duration_seconds_count\{method="touchstone.retrieval.v1.ItemService\/UpsertItems",reason="ok"\} 1$/m,
    /^touchstone_call_duration_seconds_count\{method="touchstone.retrieval.v1.ItemService\/UpsertItems",reason="invalid-request"\} 1$/m,
    /^touchstone_model_duration_seconds_count\{model="[a-z0-9-]+",outcome="ok"\} \d+$/m,
    /^touchstone_model_batch_rows_sum\{model="[a-z0-9-]+"\} \d+$/m,
    /^touchstone_database_connections\{service="retrieval",role="tenants",state="busy"\} \d+$/m,
    /^touchstone_database_transaction_duration_seconds_count\{service="retrieval",role="tenants",outcome="ok"\} \d+$/m,
    /^touchstone_outbox_events\{service="retrieval"\} 0$/m,
    /^touchstone_outbox_age_seconds\{service="retrieval"\} 0$/m,
    /^touchstone_dead_letters\{service="retrieval"\} 0$/m,
    /^touchstone_index_items 1$/m,
    /^touchstone_index_positions 1$/m,
    /^touchstone_index_bytes\{use="scanned"\} [1-9]\d*$/m,
    /^process_cpu_seconds_total \d/m,
  ]) {
    expect(line.test(text), `${line.source} in:\n${text.match(/^touchstone_.*(?:count|sum|[^t]\}) .*$/gm)?.join("\n")}`).toBe(true);
  }
  expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-|observed/);
  expect(text).not.toContain(key.split('_')[2]);
});

it('keeps figures off the public port', async () => {
  await call('get', '/metrics').expect(404);
});

it('answers probes on the health port too', async () => {
  for (const port of healthPorts()) {
    expect(await (await fetch(`http://127.0.0.1:${port}/livez`)).json()).toEqual({ status: 'live' });
    expect(await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()).toMatchObject({ status: 'ready', parts: expect.arrayContaining([{ part: expect.any(String), isReady: true }]) });
  }
});

// Last, so that all lines and spans are there.
it('writes no secret and nothing that a caller sent into the log or a span', async () => {
  await vi.waitFor(() => expect(receiver.spans.length).toBeGreaterThan(10), 10_000);
  const written = [...lines(), ...receiver.bodies];
  expect(written.some((text) => text.includes(key.split('_')[2]))).toBe(true); // The search below finds what is there.
  for (const secret of [...Object.values(canaries), key.split('_').at(-1)!, picture.slice(100, 160), 'Bearer']) {
    expect(written.filter((text) => text.includes(secret)), secret).toEqual([]);
  }
});
