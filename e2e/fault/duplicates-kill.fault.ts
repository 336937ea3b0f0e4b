import { expect, it, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';
import { MortalPlatform } from './mortal-platform.ts';

const kills = isFull ? 3 : 1;
const items = 600;

/** What is found passes when the gate is open that far, so each kill falls into a checkpoint, however fast the machine is. */
const gate = `
  create table public.gate (open_to integer not null);
  insert into public.gate values (0);
  create function public.pass() returns trigger language plpgsql security definer as $$
  begin
    while (select count(*) from retrieval.duplicate_found) >= (select open_to from public.gate) loop perform pg_sleep(0.02); end loop;
    return null;
  end $$;
  create trigger pass before insert on retrieval.duplicate_found for each statement execute function public.pass();`;

it('a scan for duplicates that is killed again and again finds every pair, none twice', async (context) => {
  const platform = await MortalPlatform.begin();
  await platform.asOwner(gate);
  // Three kinds of vectors, so that a scan has a checkpoint for equal content and three for vectors. Item 2n+1 copies item 2n.
  const spaces = ['one', 'two', 'three'].map((name) => ({ name, dimension: 64, modelVersion: 'mine@1', kinds: ['note'] }));
  await platform.call('PUT', '/collections/notes', { spaces });
  const direction = (seed: number) => Array.from({ length: 64 }, (_, axis) => Math.sin(seed * 12.9898 + axis * 78.233) * 43758.5453 % 1);
  for (let from = 0; from < items; from += 100) {
    const batch = Array.from({ length: 100 }, (_, index) => from + index);
    const vectorsOf = (item: number) => Object.fromEntries(spaces.map(({ name }, space) => [name, { note: direction(Math.floor(item / 2) + 1000 * space) }]));
    await platform.call('POST', '/collections/notes/items:upsert', { items: batch.map((item) => ({ id: `note-${item}`, title: `note ${Math.floor(item / 2)}`, vectors: vectorsOf(item), createdAt: new Date(1e12 + item).toISOString() })) });
  }
  const { id } = await platform.call('POST', '/collections/notes/duplicates:scan', {});

  const stored = async () => Number((await platform.asOwner('select count(*) from retrieval.duplicate_found'))[0].count);
  let reached = 0;
  for (let kill = 1; kill <= kills; kill++) {
    await platform.asOwner(`update public.gate set open_to = ${reached + 1}`);
    await vi.waitFor(async () => expect(await stored()).toBeGreaterThan(reached), { timeout: 120_000, interval: 50 });
    await platform.killAndStart();
    expect(['queued', 'running']).toContain((await platform.call('GET', `/operations/${id}`)).state);
    expect(await stored()).toBeGreaterThan(reached);
    expect((await platform.call('GET', '/collections/notes/duplicates')).duplicates).toEqual([]);
    reached = await stored();
  }
  await platform.asOwner(`update public.gate set open_to = 1000000`);
  await vi.waitFor(async () => expect(await platform.call('GET', `/operations/${id}`)).toMatchObject({ state: 'succeeded', result: { items, duplicates: items / 2 } }), { timeout: 120_000, interval: 200 });

  const { duplicates } = await platform.call('GET', '/collections/notes/duplicates?limit=1000');
  const copies = duplicates.filter(({ evidence }: any) => evidence.isSameContent);
  expect(copies.map(({ keeper, duplicate }: any) => `${keeper} ${duplicate}`).sort()).toEqual(Array.from({ length: items / 2 }, (_, pair) => `note-${2 * pair} note-${2 * pair + 1}`).sort());
  for (const { evidence, isFolded } of copies) {
    expect(isFolded).toBe(true);
    expect(evidence.vectors.map(({ space }: any) => space).sort()).toEqual(['one', 'three', 'two']);
  }
  record(context, { fault: `the platform killed (kill -9) ${kills} times during a scan for duplicates`, seen: `it goes on from its last checkpoint; all ${copies.length} pairs with all of their evidence, none twice, and none was shown before the end` });
});
