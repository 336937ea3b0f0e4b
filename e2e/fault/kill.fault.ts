import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '@touchstone/runtime/random';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { expect, it, onTestFinished } from 'vitest';
import { isFull, record } from './fault-results.ts';

const rounds = isFull ? 20 : 6;
const batchSize = 10;

/**
 * kill -9 at a random moment of an upsert, many times on the same data. After each restart: every acknowledged batch
 * is found whole, and a batch that was not acknowledged is either whole or not there, and is written once when it is
 * sent again under its idempotency key.
 */
it('loses no acknowledged item and leaves none half written', { timeout: rounds * 60_000 }, async (context) => {
  const seed = Number(process.env.TOUCHSTONE_SEED ?? Date.now() % 1_000_000);
  console.info(`seed ${seed}`);
  const random = seededRandom(seed);
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-kill-'));
  let platform: TestPlatform | undefined;
  onTestFinished(async () => {
    await platform?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const itemsOf = (batch: number) => ({
    items: Array.from({ length: batchSize }, (_, index) => ({ id: `b${batch}-${index}`, title: `note ${batch} ${index}`, attributes: { batch } })),
  });
  const acknowledged = new Set<number>();
  const repeated = new Set<number>();
  let sent = 0;
  for (let round = 0; round <= rounds; round++) {
    platform = await startTestPlatform({ mode: 'one-process', dataDir });
    await platform.ready();
    const key = (await readFile(join(dataDir, 'admin-key'), 'utf8')).trim();
    const call = (method: string, path: string, body?: object, idempotencyKey?: string) =>
      fetch(`${platform!.url}/v1/collections/notes${path}`, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...(idempotencyKey ? { 'idempotency-key': idempotencyKey } : {}) },
        body: body && JSON.stringify(body),
      });
    if (round === 0) expect((await call('PUT', '', { spaces: [{ name: 'text' }] })).status).toBe(200);

    // Every batch has a filterable number, so that it can be found whole, and without embedding all of it again.
    for (let batch = 0; batch < sent; batch++) {
      const answer = await call('POST', '/search', { query: { text: 'note' }, limit: 100, filter: { all: [{ field: 'batch', equals: batch }] } });
      const { hits } = (await answer.json()) as { hits: { id: string }[] };
      if (acknowledged.has(batch)) expect.soft(hits, `acknowledged batch ${batch} in round ${round}`).toHaveLength(batchSize);
      else expect.soft(repeated.has(batch) ? [batchSize] : [0, batchSize], `batch ${batch} in round ${round}`).toContain(hits.length);
      for (const { id } of hits.slice(0, 1)) expect.soft((await call('GET', `/items/${id}`)).status).toBe(200);
    }
    // Nobody knows whether a lost batch was written; sent again under its key it has been, once.
    for (let batch = 0; batch < sent; batch++) {
      if (acknowledged.has(batch) || repeated.has(batch)) continue;
      const answer = await call('POST', '/items:upsert', itemsOf(batch), `batch-${batch}`);
      expect.soft(await answer.json(), `lost batch ${batch} in round ${round}`).toMatchObject({ upserted: batchSize, unchanged: 0 });
      repeated.add(batch);
    }
    if (round === rounds) break;

    const send = async () => {
      const batch = sent++;
      const answer = await call('POST', '/items:upsert', itemsOf(batch), `batch-${batch}`).catch(() => undefined);
      if (answer?.status === 200 && (await answer.json().catch(() => undefined))) acknowledged.add(batch);
    };
    // A random moment in the next few writes, whatever a write takes on this machine.
    const began = performance.now();
    await send();
    const killed = delay(random() * 4 * (performance.now() - began)).then(() => platform!.processes[0].stop('SIGKILL'));
    let isAlive = true;
    void killed.then(() => (isAlive = false));
    while (isAlive) await send();
    await killed;
  }
  console.info(`${acknowledged.size} of ${sent} batches were acknowledged`);
  const fault = `everything killed (kill -9) ${rounds} times in the middle of upserts`;
  const seen = `${acknowledged.size} of ${sent} batches acknowledged: each found whole after every restart; of the others none half written, each written once when sent again`;
  record(context, { fault, seed, seen });
  expect(acknowledged.size).toBeGreaterThan(0);
  expect(acknowledged.size).toBeLessThan(sent);
});
