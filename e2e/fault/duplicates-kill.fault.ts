import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import pg from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { record } from './fault-results.ts';

const kills = 3;
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

it('a scan for duplicates that is killed three times finds every pair, none twice', async (context) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-duplicates-'));
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
  const asOwner = async (sql: string) => {
    const client = new pg.Client({ host: join(dataDir, 'postgres', 'socket'), user: 'postgres', database: 'touchstone' });
    await client.connect();
    return client.query(sql).finally(() => client.end());
  };

  await start();
  await asOwner(gate);
  // Three kinds of vectors, so that a scan has a checkpoint for equal content and three for vectors. Item 2n+1 copies item 2n.
  const spaces = ['one', 'two', 'three'].map((name) => ({ name, dimension: 64, modelVersion: 'mine@1', kinds: ['note'] }));
  await call('PUT', '/collections/notes', { spaces });
  const direction = (seed: number) => Array.from({ length: 64 }, (_, axis) => Math.sin(seed * 12.9898 + axis * 78.233) * 43758.5453 % 1);
  for (let from = 0; from < items; from += 100) {
    const batch = Array.from({ length: 100 }, (_, index) => from + index);
    const vectorsOf = (item: number) => Object.fromEntries(spaces.map(({ name }, space) => [name, { note: direction(Math.floor(item / 2) + 1000 * space) }]));
    await call('POST', '/collections/notes/items:upsert', { items: batch.map((item) => ({ id: `note-${item}`, title: `note ${Math.floor(item / 2)}`, vectors: vectorsOf(item), createdAt: new Date(1e12 + item).toISOString() })) });
  }
  const { id } = await call('POST', '/collections/notes/duplicates:scan', {});

  const stored = async () => Number((await asOwner('select count(*) from retrieval.duplicate_found')).rows[0].count);
  let reached = 0;
  for (let kill = 1; kill <= kills; kill++) {
    await asOwner(`update public.gate set open_to = ${reached + 1}`);
    await vi.waitFor(async () => expect(await stored()).toBeGreaterThan(reached), { timeout: 120_000, interval: 50 });
    await platform!.processes[0].stop('SIGKILL');
    await start();
    expect(['queued', 'running']).toContain((await call('GET', `/operations/${id}`)).state);
    expect(await stored()).toBeGreaterThan(reached);
    expect((await call('GET', '/collections/notes/duplicates')).duplicates).toEqual([]);
    reached = await stored();
  }
  await asOwner(`update public.gate set open_to = 1000000`);
  await vi.waitFor(async () => expect(await call('GET', `/operations/${id}`)).toMatchObject({ state: 'succeeded', result: { items, duplicates: items / 2 } }), { timeout: 120_000, interval: 200 });

  const { duplicates } = await call('GET', '/collections/notes/duplicates?limit=1000');
  const copies = duplicates.filter(({ evidence }: any) => evidence.isSameContent);
  expect(copies.map(({ keeper, duplicate }: any) => `${keeper} ${duplicate}`).sort()).toEqual(Array.from({ length: items / 2 }, (_, pair) => `note-${2 * pair} note-${2 * pair + 1}`).sort());
  for (const { evidence, isFolded } of copies) {
    expect(isFolded).toBe(true);
    expect(evidence.vectors.map(({ space }: any) => space).sort()).toEqual(['one', 'three', 'two']);
  }
  record(context, { fault: 'the platform killed (kill -9) three times during a scan for duplicates', seen: `it goes on from its last checkpoint; all ${copies.length} pairs with all of their evidence, none twice, and none was shown before the end` });
});
