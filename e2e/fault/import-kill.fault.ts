import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { parquetWriteBuffer } from 'hyparquet-writer';
import pg from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { isFull, record } from './fault-results.ts';

const kills = isFull ? 3 : 2;
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
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-import-'));
  let platform: TestPlatform | undefined;
  onTestFinished(async () => {
    await platform?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  let key = '';
  const call = async (method: string, path: string, body?: object | Uint8Array<ArrayBuffer>) => {
    const answer = await fetch(`${platform!.url}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json' },
      body: body instanceof Uint8Array ? body : body && JSON.stringify(body),
    });
    return (await answer.json()) as Record<string, any>;
  };
  const start = async () => {
    platform = await startTestPlatform({ mode: 'one-process', dataDir });
    await platform.ready();
    key = (await readFile(join(dataDir, 'admin-key'), 'utf8')).trim();
  };
  const asOwner = async (sql: string) => {
    const client = new pg.Client({ host: join(dataDir, 'postgres', 'socket'), user: 'postgres', database: 'touchstone' });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };

  await start();
  await asOwner(gate);
  await call('PUT', '/collections/notes', { spaces: [{ name: 'text' }] });
  const { id: blobId } = await call('POST', '/blobs', file());
  const { id } = await call('POST', '/collections/notes/items:import', { blobId });

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
  await asOwner(`update public.gate set open_to = ${items}`);
  await vi.waitFor(
    async () => {
      const { state, result } = await call('GET', `/operations/${id}`);
      expect({ state, result }).toMatchObject({ state: 'succeeded', result: { imported: items, unchanged: 0, refused: 0 } });
    },
    { timeout: 120_000, interval: 200 },
  );
  await vi.waitFor(async () => expect((await call('GET', '/collections/notes')).statistics).toMatchObject({ items, upserts: items }), { timeout: 60_000, interval: 100 });
  record(context, { fault: `everything killed (kill -9) ${kills} times within an import of ${format}`, seen: `${items} of ${items} rows imported, each item once, by ${items} effects; progress never fell` });
});
