import { expect, it, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';
import { MortalPlatform } from './mortal-platform.ts';

const kills = isFull ? 5 : 1;
const batchQueries = 50;
const queries = (kills + 2) * batchQueries;

/** A checkpoint passes when the gate is open that far, so each kill falls into the write of one. */
const gate = `
  create table public.gate (open_to integer not null);
  insert into public.gate values (1000000);
  create function public.pass() returns trigger language plpgsql security definer as $$
  begin
    while new.kind = 'retrieval.evaluation' and coalesce(json_array_length(new.checkpoint->'values'), 0) > (select open_to from public.gate) loop perform pg_sleep(0.02); end loop;
    return new;
  end $$;
  create trigger pass before update on retrieval.operation for each row execute function public.pass();`;

it('an evaluation that is killed again and again goes on where it was, to the same figures', async (context) => {
  const platform = await MortalPlatform.begin();
  await platform.asOwner(gate);
  await platform.call('PUT', '/collections/notes', { spaces: [{ name: 'text' }] });
  const items = Array.from({ length: 100 }, (_, index) => ({ id: `note-${index}`, title: `Note ${index} on subject ${index % 37}` }));
  expect(await platform.call('POST', '/collections/notes/items:upsert', { items })).toMatchObject({ upserted: items.length });
  const labelled = Array.from({ length: queries }, (_, index) => ({ query: { text: `subject ${index % 37} of note ${index % 100}` }, relevant: [`note-${index % 100}`] }));
  const begin = async () => {
    const { status, body } = await platform.ask('POST', '/collections/notes:evaluate', { queries: labelled });
    expect(status, JSON.stringify(body)).toBe(202);
    return body.id as string;
  };
  const operation = (id: string) => platform.call('GET', `/operations/${id}`);
  const result = async (id: string) => {
    await vi.waitFor(async () => expect(await operation(id)).toMatchObject({ state: 'succeeded' }), { timeout: 120_000, interval: 100 });
    return (await operation(id)).result;
  };

  const expected = await result(await begin());
  await platform.asOwner('update public.gate set open_to = 0');
  const id = await begin();
  for (let kill = 1; kill <= kills; kill++) {
    await platform.asOwner(`update public.gate set open_to = ${kill * batchQueries}`);
    await vi.waitFor(async () => expect((await operation(id)).progress.done).toBe(kill * batchQueries), { timeout: 120_000, interval: 50 });
    await platform.killAndStart();
    expect(await operation(id)).toMatchObject({ progress: { done: kill * batchQueries, total: queries } });
  }
  await platform.asOwner('update public.gate set open_to = 1000000');
  expect(await result(id)).toEqual(expected);
  record(context, { fault: `everything killed (kill -9) ${kills} times within an evaluation`, seen: `${queries} of ${queries} queries measured, progress never fell; the figures are those of an evaluation that nothing stopped` });
});
