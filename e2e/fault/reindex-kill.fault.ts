import { runTouchstone } from '@touchstone/testing';
import { expect, it, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';
import { MortalPlatform } from './mortal-platform.ts';

const kills = isFull ? 3 : 1;
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
  const platform = await MortalPlatform.begin();
  await runTouchstone(['models', 'pull', 'embed-text-wordllama'], platform.environment);
  await platform.asOwner(gate);
  await platform.call('PUT', '/collections/notes', { spaces: [{ name: 'text' }] });
  for (let page = 0; page < items; page += batchItems) {
    const some = Array.from({ length: batchItems }, (_, index) => ({ id: `note-${String(page + index).padStart(4, '0')}`, title: `Note ${page + index} on subject ${index % 37}` }));
    expect(await platform.call('POST', '/collections/notes/items:upsert', { items: some })).toMatchObject({ upserted: batchItems });
  }
  let id = '';
  await vi.waitFor(async () => {
    const operation = await platform.call('POST', '/collections/notes:reindex', { space: 'text', modelVersion: 'embed-text-wordllama' }); // 503 until the server has loaded it
    expect(operation).toHaveProperty('id');
    id = operation.id;
  }, { timeout: 60_000, interval: 200 });

  let reached = 0;
  for (let kill = 1; kill <= kills; kill++) {
    await platform.asOwner(`update public.gate set open_to = ${kill * batchItems}`);
    await vi.waitFor(async () => expect((await platform.call('GET', `/operations/${id}`)).progress.done).toBeGreaterThan(reached), { timeout: 120_000, interval: 50 });
    await platform.killAndStart();
    const { state, progress } = await platform.call('GET', `/operations/${id}`);
    expect(['queued', 'running']).toContain(state);
    expect(progress.done).toBeGreaterThanOrEqual(reached);
    reached = progress.done;
  }
  await platform.asOwner(`update public.gate set open_to = ${2 * items}`);
  await vi.waitFor(async () => expect(await platform.call('GET', `/operations/${id}`)).toMatchObject({ state: 'succeeded', result: { items, vectors: items, missing: 0 } }), { timeout: 120_000, interval: 200 });

  const [{ both }] = await platform.asOwner(`select count(*)::integer as both from (select item_id from retrieval.item_vector group by item_id having count(*) = 2 and count(distinct content_hash) = 1) as items`);
  expect(both).toBe(items);
  await platform.call('POST', '/collections/notes:switch', { space: 'text', modelVersion: 'embed-text-wordllama' });
  const { hits } = await platform.call('POST', '/collections/notes/search', { query: { text: 'note' }, limit: 1000 });
  expect(hits).toHaveLength(items);
  record(context, { fault: `everything killed (kill -9) ${kills} times within a reindex`, seen: `${items} of ${items} items have their vector in the new version, each once; progress never fell; all of them found after the switch` });
});
