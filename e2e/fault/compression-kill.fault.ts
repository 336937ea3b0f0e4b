import { createHash } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { photo } from '../photos.ts';
import { record } from './fault-results.ts';
import { MortalPlatform } from './mortal-platform.ts';

/** Whoever inserts a row of a closed table waits, so a kill falls between what was done before it and what comes after. */
const gates = `
  create table public.closed (name text primary key);
  create function public.pass() returns trigger language plpgsql security definer as $$
  begin
    while exists (select from public.closed where name = tg_table_schema || '.' || tg_table_name) loop perform pg_sleep(0.02); end loop;
    return new;
  end $$;
  create trigger pass before insert on gateway.blob for each row execute function public.pass();
  create trigger pass before insert on compression.encoding for each row execute function public.pass();
  create trigger pass before insert on compression.compression for each row execute function public.pass();`;

it('a compression that is killed between any two of its writes leaves nothing half, and is made when it is asked for again', async (context) => {
  const platform = await MortalPlatform.begin();
  await platform.asOwner(gates);
  const tables = ['gateway.blob', 'compression.encoding', 'compression.compression'];
  for (const [index, table] of tables.entries()) {
    const request = { picture: { base64: await photo(index) }, budget: { tokens: 28 } };
    await platform.asOwner(`insert into public.closed values ('${table}')`);
    const cut = platform.ask('POST', '/visual/compress', request).catch(() => undefined);
    await vi.waitFor(async () => expect(await platform.asOwner(`select from pg_stat_activity where wait_event = 'PgSleep'`)).not.toEqual([]), { timeout: 60_000, interval: 20 });
    await platform.kill();
    await cut;
    await platform.start();
    await platform.asOwner('delete from public.closed');
    expect(await rowsOf(platform)).toEqual({ encodings: index, compressions: index });

    const made = await platform.call('POST', '/visual/compress', request);
    expect(made).toMatchObject({ kept: 28, isCached: false });
    for (const id of [made.blobId, made.allTokensBlobId]) expect(createHash('sha256').update(await platform.bytes(`/blobs/${id}`)).digest('hex')).toBe(id);
    expect(await platform.call('POST', '/visual/compress', request)).toEqual({ ...made, isCached: true });
  }
  // Blobs of the calls that were killed have their time, as all others: none stays for good, and each is counted.
  const [{ unending, counted, bytes }] = await platform.asOwner(`select count(*) filter (where expires_at is null)::integer as unending, sum(bytes)::integer as bytes, (select sum(bytes)::integer from gateway.blob_usage) as counted from gateway.blob`);
  expect({ unending, counted }).toEqual({ unending: 0, counted: bytes });
  record(context, { fault: 'everything killed (kill -9) between the writes of a compression', seen: `${tables.length} of ${tables.length} leave no row; asked for again, each is made once; blobs that no row names have an end and are counted` });
});

async function rowsOf(platform: MortalPlatform): Promise<object> {
  return (await platform.asOwner('select (select count(*)::integer from compression.encoding) as encodings, (select count(*)::integer from compression.compression) as compressions'))[0];
}
