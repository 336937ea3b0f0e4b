import { connect } from 'node:net';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import pg from 'pg';
import { expect, inject, it, onTestFinished, vi } from 'vitest';

const writes = 20;
const longestStopMs = 40_000;
/** A door before replicas would take connections for them. */
const mode = inject('platform').mode === 'one-process' ? 'one-process' : 'per-service';

/** The owner's way to the platform's database. */
function databaseUrl({ environment }: TestPlatform): string {
  const socket = join(environment.TOUCHSTONE_DATA_DIR!, 'postgres', 'socket');
  return environment.TOUCHSTONE_DATABASE_URL ?? `postgresql://postgres@localhost/touchstone?host=${encodeURIComponent(socket)}`;
}

/** A figure of the process that has it, summed over all. */
async function figure({ processes }: TestPlatform, name: string): Promise<number> {
  let sum = 0;
  for (const { log } of processes) {
    const serving = JSON.parse(log.find((line) => line.includes('"msg":"serving"'))!) as { healthPort: number };
    const text = await (await fetch(`http://127.0.0.1:${serving.healthPort}/metrics`)).text();
    sum += Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  }
  return sum;
}

const isRefused = (url: URL) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(Number(url.port), url.hostname);
    socket.once('error', () => resolve(true)).once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });

/** Writes are held up by a lock in the database until every process has its SIGTERM, so none can be done before. */
it(`answers ${writes} writes that are in flight when SIGTERM comes, takes no new connection and ends with 0`, async () => {
  const platform = await startTestPlatform({ mode, environment: { TOUCHSTONE_HEALTH_PORT: '0' } });
  onTestFinished(() => platform.stop());
  await platform.ready();
  const key = await platform.createKey('stopping', ['*']);
  const call = (method: string, path: string, body: object) =>
    fetch(`${platform.url}/v1/collections/stopping${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  expect((await call('PUT', '', {})).status).toBe(200);

  const owner = new pg.Client({ connectionString: databaseUrl(platform) });
  await owner.connect();
  await owner.query('begin; lock table retrieval.collection in exclusive mode');
  const answers = Array.from({ length: writes }, async (_, index) => {
    const answer = await call('POST', '/items:upsert', { items: [{ id: `item-${index}`, title: `note ${index}` }] });
    return { status: answer.status, body: await answer.text() };
  });
  await vi.waitFor(async () => expect(await figure(platform, 'touchstone_calls_in_flight')).toBe(writes), { timeout: 20_000, interval: 50 });

  const signalledAt = Date.now();
  const stopped = platform.processes.map((process) => process.stop('SIGTERM'));
  await vi.waitFor(async () => expect(await isRefused(new URL(platform.url))).toBe(true), { timeout: 20_000, interval: 20 });
  await owner.query('commit');
  await owner.end();

  for (const answer of await Promise.all(answers)) expect(answer, answer.body).toMatchObject({ status: 200 });
  await Promise.all(stopped);
  for (const process of platform.processes) expect(await process.ended).toBe(0);
  expect(Date.now() - signalledAt).toBeLessThan(longestStopMs);
});
