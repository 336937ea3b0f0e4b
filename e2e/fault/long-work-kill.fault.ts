import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '@touchstone/runtime/random';
import { runTouchstone } from '@touchstone/testing';
import { expect, it, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';
import { MortalPlatform } from './mortal-platform.ts';

const kills = isFull ? 20 : 3;
const batchSize = 10;
const models = ['embed-text', 'embed-text-wordllama'] as const;

/**
 * kill -9 at random moments while items are written and searched, a space is embedded anew in another model, and the collection
 * is scanned for duplicates, one after the other without a rest. Afterwards every acknowledged item is found in both models'
 * vectors, none twice.
 */
it('ingest, search, reindex and scans go on where they were', { timeout: (kills + 2) * 90_000 }, async (context) => {
  const seed = Number(process.env.TOUCHSTONE_SEED ?? Date.now() % 1_000_000);
  console.info(`seed ${seed}`);
  const random = seededRandom(seed);
  const platform = await MortalPlatform.begin();

  const written = new Set<number>();
  let sent = 0;
  const write = async (batch: number) => {
    // Every fifth item says the same as the one before it.
    const items = Array.from({ length: batchSize }, (_, index) => ({ id: `b${batch}-${index}`, title: `note ${batch} on ${index - Number(index % 5 === 4)}`, attributes: { batch } }));
    const { status } = await platform.ask('POST', '/collections/notes/items:upsert', { items }, { 'idempotency-key': `batch-${batch}` });
    if (status === 200) written.add(batch);
  };
  const find = async () => {
    const { status, body } = await platform.ask('POST', '/collections/notes/search', { query: { text: 'note' }, limit: 1000, groupBy: 'part' });
    if (status !== 200) return;
    const parts = body.hits.map(({ id, part, kinds }: any) => `${id} ${part} ${kinds}`);
    expect.soft(parts.filter((part: string, index: number) => parts.indexOf(part) !== index)).toEqual([]);
  };

  const finished = { reindex: 0, scan: 0 };
  let operation: { id: string; kind: keyof typeof finished } | undefined;
  /** Takes the next step of the long work: what runs is left alone, what has ended is followed by the other kind. */
  const workOn = async () => {
    if (operation) {
      const { status, body } = await platform.ask('GET', `/operations/${operation.id}`);
      if (status !== 200 || body.state === 'queued' || body.state === 'running') return;
      expect.soft(body).toMatchObject({ state: 'succeeded' });
      finished[operation.kind] += 1;
    }
    const begin = async (kind: keyof typeof finished, path: string, body: object) => {
      const answer = await platform.ask('POST', `/collections/notes${path}`, body);
      operation = answer.status === 202 ? { id: answer.body.id, kind } : undefined;
    };
    if (operation?.kind === 'reindex') return begin('scan', '/duplicates:scan', { threshold: 0.98 });
    const { body } = await platform.ask('GET', '/collections/notes');
    const standby = body.spaces?.[0].versions.find(({ state }: any) => state !== 'active');
    if (standby) {
      await platform.ask('POST', '/collections/notes:switch', { space: 'text', modelVersion: standby.modelVersion });
      await platform.ask('DELETE', `/collections/notes/spaces/text/versions/${encodeURIComponent(body.spaces[0].modelVersion)}`);
    }
    const { body: now } = await platform.ask('GET', '/collections/notes');
    const isFirst = now.spaces?.[0].modelVersion.startsWith('all-minilm');
    return begin('reindex', ':reindex', { space: 'text', modelVersion: models[isFirst ? 1 : 0], sample: 20 });
  };
  const isAlive = { value: true };
  const during = async (work: () => Promise<unknown>) => {
    while (isAlive.value) {
      // Whoever is killed gives no answer.
      await work().catch((error: unknown) => {
        if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
        return delay(20);
      });
    }
  };

  await runTouchstone(['models', 'pull', models[1]], platform.environment);
  await vi.waitFor(async () => expect((await platform.ask('POST', '/embeddings', { model: models[1], input: 'a' })).status).toBe(200), { timeout: 60_000, interval: 200 });
  await platform.ask('PUT', '/collections/notes', { spaces: [{ name: 'text' }] });
  for (let kill = 0; kill < kills; kill++) {
    isAlive.value = true;
    const working = Promise.all([during(() => write(sent++)), during(find), during(workOn)]);
    const [already, before] = [written.size, finished.reindex + finished.scan];
    // Not before something new was acknowledged, and every other time not before some long work has ended.
    const isMoving = () => written.size > already && (kill % 2 === 0 || finished.reindex + finished.scan > before);
    await vi.waitFor(() => expect(isMoving()).toBe(true), { timeout: 80_000, interval: 20 });
    await delay(1_000 * random());
    await platform.kill();
    isAlive.value = false;
    await working;
    await platform.start();
  }

  // What nobody answered is sent again under its key, and what still runs comes to its end.
  for (let batch = 0; batch < sent; batch++) if (!written.has(batch)) await write(batch);
  expect(written.size).toBe(sent);
  await vi.waitFor(async () => expect(operation && (await platform.ask('GET', `/operations/${operation.id}`)).body.state).toBe('succeeded'), { timeout: 120_000, interval: 200 });
  for (const model of models) {
    const { body } = await platform.ask('POST', '/collections/notes:reindex', { space: 'text', modelVersion: model, sample: 0 });
    if (body.id) await vi.waitFor(async () => expect((await platform.ask('GET', `/operations/${body.id}`)).body).toMatchObject({ state: 'succeeded' }), { timeout: 120_000, interval: 200 });
    await platform.ask('POST', '/collections/notes:switch', { space: 'text', modelVersion: model });
    for (let batch = 0; batch < sent; batch++) {
      const search = { query: { text: 'note' }, limit: 100, groupBy: 'part', filter: { field: 'batch', equals: batch } };
      const { hits } = (await platform.ask('POST', '/collections/notes/search', search)).body;
      expect.soft(hits.map(({ id }: any) => id).sort(), `batch ${batch} in ${model}`).toEqual(Array.from({ length: batchSize }, (_, index) => `b${batch}-${index}`));
    }
  }
  record(context, {
    fault: `everything killed (kill -9) ${kills} times during ingest, search, reindex and scans for duplicates`,
    seed,
    seen: `${sent} batches of ${batchSize}, each found whole in the vectors of both models, none twice; meanwhile ${finished.reindex} reindexes and ${finished.scan} scans came to their end`,
  });
});
