import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTouchstone, startTestPlatform, type TestPlatform } from '@touchstone/testing';
import pg from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';

const kills = isFull ? 3 : 2;
const batchItems = 64;
const items = (kills + 1) * batchItems;
const active = 'all-minilm-l6-v2-int8';

/** A batch of the new version passes when the gate is open that far, so each kill falls into the write of a batch. */
const gate = `
  create table public.gate (open_to integer not null);
  insert into public.gate values (0);
  create function public.pass() returns trigger language plpgsql security definer as $$
  begin
    while new.model_version not like '${active}%'
      and (select count(*) from retrieval.item_vector where model_version not like '${active}%') >= (select open_to from public.gate) loop perform pg_sleep(0.02); end loop;
    return new;
  end $$;
  create trigger pass before insert on retrieval.item_vector for each row execute function public.pass();`;

it('a reindex that is killed again and again goes on where it was, and no item is without its vector', async (context) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-reindex-'));
  let platform: TestPlatform | undefined;
  onTestFinished(async () => {
    await platform?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  let key = '';
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${platform!.url}/v1${path}`, { method, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
    return (await answer.json()) as Record<string, any>;
  };
  const start = async () => {
    platform = await startTestPlatform({ mode: 'one-process', dataDir });
    await platform.ready();
    key = (await readFile(join(dataDir, 'admin-key'), 'utf8')).trim();
  };
  const asOwner = async (sql: string): Promise<Record<string, any>[]> => {
    const client = new pg.Client({ host: join(dataDir, 'postgres', 'socket'), user: 'postgres', database: 'touchstone' });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };

  await start();
  await runTouchstone(['models', 'pull', 'embed-text-wordllama'], platform!.environment);
  await asOwner(gate);
  await call('PUT', '/collections/notes', { spaces: [{ name: 'text' }] });
  for (let page = 0; page < items; page += batchItems) {
    const some = Array.from({ length: batchItems }, (_, index) => ({ id: `note-${String(page + index).padStart(4, '0')}`, title: `Note ${page + index} on subject ${index % 37}` }));
    expect(await call('POST', '/collections/notes/items:upsert', { items: some })).toMatchObject({ upserted: batchItems });
  }
  let id = '';
  await vi.waitFor(async () => {
    const operation = await call('POST', '/collections/notes:reindex', { space: 'text', modelVersion: 'embed-text-wordllama' }); // 503 until the server has loaded it
    expect(operation).toHaveProperty('id');
    id = operation.id;
  }, { timeout: 60_000, interval: 200 });

  let reached = 0;
  for (let kill = 1; kill <= kills; kill++) {
    await asOwner(`update public.gate set open_to = ${kill * batchItems}`);
    await vi.waitFor(async () => expect((await call('GET', `/operations/${id}`)).progress.done).toBeGreaterThan(reached), { timeout: 120_000, interval: 50 });
    await platform!.processes[0].stop('SIGKILL');
    await start();
    const { state, progress } = await call('GET', `/operations/${id}`);
    expect(['queued', 'running']).toContain(state);
    expect(progress.done).toBeGreaterThanOrEqual(reached);
    reached = progress.done;
  }
  await asOwner(`update public.gate set open_to = ${2 * items}`);
  await vi.waitFor(async () => expect(await call('GET', `/operations/${id}`)).toMatchObject({ state: 'succeeded', result: { items, vectors: items, missing: 0 } }), { timeout: 120_000, interval: 200 });

  const [{ both }] = await asOwner(`select count(*)::integer as both from (select item_id from retrieval.item_vector group by item_id having count(*) = 2 and count(distinct content_hash) = 1) as items`);
  expect(both).toBe(items);
  await call('POST', '/collections/notes:switch', { space: 'text', modelVersion: 'embed-text-wordllama' });
  const { hits } = await call('POST', '/collections/notes/search', { query: { text: 'note' }, limit: 1000 });
  expect(hits).toHaveLength(items);
  record(context, { fault: `everything killed (kill -9) ${kills} times within a reindex`, seen: `${items} of ${items} items have their vector in the new version, each once; progress never fell; all of them found after the switch` });
});
