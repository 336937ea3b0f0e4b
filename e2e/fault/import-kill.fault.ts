import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, it, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';
import { MortalPlatform } from './mortal-platform.ts';

const kills = isFull ? 3 : 1;
const batchItems = 500;
const items = (kills + 1) * batchItems;

/**
 * A batch passes when the gate is open that far, so each kill falls into the write of a batch, however fast the machine
 * is. It stands in the database, so it is there when the platform starts again.
 */
const gate = `
  create table public.gate (open_to integer not null);
  insert into public.gate values (0);
  create function public.pass() returns trigger language plpgsql security definer as $$
  begin
    while (select count(*) from retrieval.item) >= (select open_to from public.gate) loop perform pg_sleep(0.02); end loop;
    return null;
  end $$;
  create trigger pass before insert on retrieval.item for each statement execute function public.pass();`;

const ids = Array.from({ length: items }, (_, index) => `note-${index}`);
const titles = ids.map((_, index) => `Note ${index} on subject ${index % 37}`);
const files = {
  'JSON Lines': () => new TextEncoder().encode(ids.map((id, index) => JSON.stringify({ id, title: titles[index] })).join('\n')),
  Parquet: () => {
    const columnData = [{ name: 'id', data: ids, type: 'STRING' }, { name: 'title', data: titles, type: 'STRING' }] as const;
    return new Uint8Array(parquetWriteBuffer({ columnData: [...columnData], rowGroupSize: 700 })); // No batch ends with one.
  },
};

it.for(Object.entries(files))('an import of %s that is killed again and again goes on where it was, and writes each item once', async ([format, file], context) => {
  const platform = await MortalPlatform.begin();
  await platform.asOwner(gate);
  await platform.call('PUT', '/collections/notes', { spaces: [{ name: 'text' }] });
  const { id: blobId } = await platform.call('POST', '/blobs', file());
  const { id } = await platform.call('POST', '/collections/notes/items:import', { blobId });

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
  await platform.asOwner(`update public.gate set open_to = ${items}`);
  await vi.waitFor(
    async () => {
      const { state, result } = await platform.call('GET', `/operations/${id}`);
      expect({ state, result }).toMatchObject({ state: 'succeeded', result: { imported: items, unchanged: 0, refused: 0 } });
    },
    { timeout: 120_000, interval: 200 },
  );
  await vi.waitFor(async () => expect((await platform.call('GET', '/collections/notes')).statistics).toMatchObject({ items, upserts: items }), { timeout: 60_000, interval: 100 });
  record(context, { fault: `everything killed (kill -9) ${kills} times within an import of ${format}`, seen: `${items} of ${items} rows imported, each item once, by ${items} effects; progress never fell` });
});
