import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startTestPlatform } from '@touchstone/testing';
import pg from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { record } from './fault-results.ts';
import { slopeInterval } from './slope.ts';

const minutes = Number(process.env.TOUCHSTONE_SOAK_MINUTES ?? 3);
const items = 200;
const writers = 4;
/** Caches and compiled code fill up first. */
const warmUpShare = 1 / 3;
/** Of the interval's lower end: what is surely a leak. */
const leakMbAMinute = 10;

it('a platform that writes and searches the same items for minutes needs no more memory, and its tables no more rows', { timeout: (minutes + 5) * 60_000 }, async (context) => {
  const platform = await startTestPlatform({ mode: 'one-process', environment: { TOUCHSTONE_HEALTH_PORT: '0' } });
  onTestFinished(() => platform.stop());
  await platform.ready();
  const key = await platform.createKey('soak', ['*']);
  const call = async (method: string, path: string, body: object, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${platform.url}/v1/collections/soak${path}`, { method, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
  };
  await call('PUT', '', { spaces: [{ name: 'text' }] });

  const until = performance.now() + minutes * 60_000;
  let writes = 0;
  const write = async (writer: number) => {
    for (let number = writer; performance.now() < until; number += writers) {
      const title = `Item ${number % items}, version ${number}`;
      await call('POST', '/items:upsert', { items: [{ id: `item-${number % items}`, title }] }, { 'idempotency-key': `soak-${number}` });
      writes += 1;
      await call('POST', '/search', { query: { text: title }, limit: 3 });
    }
  };
  const { healthPort } = JSON.parse(platform.processes[0].log.find((line) => line.includes('"msg":"serving"'))!) as { healthPort: number };
  const samples: { minute: number; mb: number }[] = [];
  const sample = async () => {
    while (performance.now() < until) {
      const figures = await (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();
      const passed = minutes - (until - performance.now()) / 60_000;
      samples.push({ minute: passed, mb: Number(/^process_resident_memory_bytes (\S+)$/m.exec(figures)![1]) / 2 ** 20 });
      await delay(1_000);
    }
  };
  await Promise.all([sample(), ...Array.from({ length: writers }, (_, writer) => write(writer))]);

  const settled = samples.filter(({ minute }) => minute >= minutes * warmUpShare);
  const { slope, low, high } = slopeInterval(settled.map(({ minute }) => minute), settled.map(({ mb }) => mb));
  const owner = new pg.Client({ host: join(platform.environment.TOUCHSTONE_DATA_DIR!, 'postgres', 'socket'), user: 'postgres', database: 'touchstone' });
  await owner.connect();
  onTestFinished(() => owner.end());
  const count = async (table: string) => Number((await owner.query(`select count(*) as count from retrieval.${table}`)).rows[0].count);
  await vi.waitFor(async () => expect(await count('outbox')).toBe(0), { timeout: 60_000, interval: 200 });
  // One for each event and key, until they are too old to come again.
  const rows = { inbox: await count('inbox'), idempotency: await count('idempotency'), item: await count('item'), item_vector: await count('item_vector'), event_attempt: await count('event_attempt'), dead_letter: await count('dead_letter') };
  expect(rows.inbox).toBeLessThanOrEqual(writes * 3);
  expect(rows).toMatchObject({ idempotency: writes, item: Math.min(items, writes), item_vector: Math.min(items, writes), event_attempt: 0, dead_letter: 0 });
  expect(low, `${slope} MB a minute`).toBeLessThan(leakMbAMinute);
  const interval = `${slope.toFixed(1)} MB a minute (95 % interval ${low.toFixed(1)} to ${high.toFixed(1)})`;
  record(context, {
    fault: `none: ${minutes} minutes of writes and searches on ${items} items`,
    seen: `${writes} writes; resident memory ${interval} after the first ${minutes * warmUpShare} min, at the end ${Math.round(settled.at(-1)!.mb)} MB; outbox empty, ${rows.inbox} rows in inbox, ${rows.idempotency} kept answers`,
  });
});
