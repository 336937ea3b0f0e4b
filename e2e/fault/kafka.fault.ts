import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Kafka, startKafka, startTestPlatform, type TestPlatform } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';
import { Traffic } from './traffic.ts';

const outageMs = isFull ? 30_000 : 3_000;

let kafka: Kafka;
let platform: TestPlatform;
let key: string;
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'touchstone-kafka-fault-'));
  kafka = await startKafka({ brokers: 2 });
  const environment = { TOUCHSTONE_KAFKA_BROKERS: kafka.brokers.join(','), TOUCHSTONE_HEALTH_PORT: '0' };
  platform = await startTestPlatform({ mode: 'one-process', dataDir, environment });
  await platform.command(['topics', 'apply']);
  await platform.ready();
  key = await platform.createKey('kafka', ['*']);
});

afterAll(async () => {
  await platform?.stop();
  await kafka?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const logged = (message: string) => platform.processes[0].log.filter((line) => line.includes(`"msg":"${message}`)).length;
const isReady = async () => (await fetch(`${platform.url}/readyz`)).ok;

it('Kafka is stopped: writes and searches go on, events wait in the outbox and arrive once', async (context) => {
  const traffic = await Traffic.begin(platform.url, key, 'stopped');
  const failures = logged('events wait in the outbox');
  await kafka.shutDown();
  const before = traffic.acknowledged;
  await delay(outageMs);
  const during = traffic.acknowledged - before;
  expect(during).toBeGreaterThan(0);
  expect(await isReady()).toBe(true); // Or a balancer would take away what works.
  expect(logged('events wait in the outbox')).toBe(failures + 1);
  await kafka.restart();
  const recoveryMs = await traffic.caughtUp();
  await traffic.endAndCheck();
  expect(traffic.refusals).toEqual(new Map());
  await vi.waitFor(() => expect(logged('events are relayed again')).toBeGreaterThan(0), 20_000);
  record(context, { fault: `Kafka stopped for ${outageMs / 1_000} s`, seen: `${traffic}; ${during} of them meanwhile; the log says once that events wait`, recoveryMs, stillWorked: 'writes, searches, readiness' });
});

it('a broker is lost, and with it the only leader of its partitions, until it is back', async (context) => {
  const traffic = await Traffic.begin(platform.url, key, 'leaderless');
  await kafka.kill(1);
  const before = traffic.acknowledged;
  await delay(outageMs);
  const during = traffic.acknowledged - before;
  const waiting = traffic.acknowledged - (await traffic.effects()).upserts;
  expect(during).toBeGreaterThan(0);
  await kafka.restart();
  const recoveryMs = await traffic.caughtUp();
  await traffic.endAndCheck();
  expect(traffic.refusals).toEqual(new Map());
  record(context, { fault: `a broker killed for ${outageMs / 1_000} s that leads half of the partitions alone`, seen: `${traffic}; ${during} of them meanwhile, ${waiting} effects late`, recoveryMs, stillWorked: 'writes, searches' });
});

it('a consumer is slow: nobody else is, and it catches up', async (context) => {
  const owner = new pg.Client({ host: join(dataDir, 'postgres', 'socket'), user: 'postgres', database: 'touchstone' });
  await owner.connect();
  await owner.query(`
    create table public.pause (seconds double precision not null);
    insert into public.pause values (0.5);
    create function public.slowly() returns trigger language plpgsql security definer as $$
    begin perform pg_sleep(seconds) from public.pause; return new; end $$;
    create trigger slowly before insert on retrieval.collection_statistics for each row execute function public.slowly();`);
  const traffic = await Traffic.begin(platform.url, key, 'slow');
  const health = JSON.parse(platform.processes[0].log.find((line) => line.includes('"msg":"serving"'))!) as { healthPort: number };
  const lag = async () => {
    const figures = await (await fetch(`http://127.0.0.1:${health.healthPort}/metrics`)).text();
    return [...figures.matchAll(/^touchstone_consumer_lag_events\{[^}]*\} (\d+)$/gm)].reduce((sum, [, number]) => sum + Number(number), 0);
  };
  const lags = await vi.waitFor(async () => {
    const now = await lag();
    expect(now).toBeGreaterThan(20);
    return now;
  }, { timeout: 120_000, interval: 500 });
  const writeMs = await traffic.recovered();
  await owner.query('update public.pause set seconds = 0');
  await owner.end();
  const recoveryMs = await traffic.caughtUp();
  await traffic.endAndCheck();
  expect(traffic.refusals).toEqual(new Map());
  record(context, { fault: 'a slow consumer (half a second for each effect)', seen: `${traffic}; its lag of ${lags} events is in /metrics, a write takes ${writeMs} ms meanwhile`, recoveryMs, stillWorked: 'everything else' });
});
