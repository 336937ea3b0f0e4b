import type { MessageInitShape } from '@bufbuild/protobuf';
import { Reason } from '@touchstone/contracts';
import type { ScanDuplicatesRequestSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/duplicate_pb';
import type { ItemInputSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';

let database: TestDatabase;
let owner: pg.Client;
let replica: Replica;
let collection: string;

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  replica = await startReplica(database);
  await owner.query('select set_config($1, $2, false)', ['app.tenant', replica.tenant.id]);
});
beforeEach(async () => {
  collection = `duplicates-${randomUUID()}`;
  await replica.collections.putCollection({ collection, spaces: [{ name: 'text' }, { name: 'image' }, { name: 'mine', dimension: 2, modelVersion: 'mine@1', kinds: ['note'] }] }, replica.options);
});
afterAll(async () => {
  await replica.stop();
  await owner.end();
  await database.drop();
});

type ItemInit = Exclude<MessageInitShape<typeof ItemInputSchema>, { $typeName: string }>;
type ScanInit = Exclude<MessageInitShape<typeof ScanDuplicatesRequestSchema>, { $typeName: string }>;

/** An item whose note is a direction of the plane; older the lower `age`. */
const at = (id: string, degrees: number, more: ItemInit = {}): ItemInit => ({
  id,
  createdAt: { seconds: BigInt(1_000_000 + id.charCodeAt(0)), nanos: 0 },
  vectors: { mine: { note: [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)] } },
  ...more,
});
const write = (...items: ItemInit[]) => replica.items.upsertItems({ collection, items }, replica.options);

/** A picture whose perceptual hash has the first `bits` bits set. */
function picture(bits: number, quality: number, rest: string) {
  const file = Buffer.alloc(33 + rest.length, 0);
  for (let bit = 0; bit < bits; bit++) file[bit >> 3] |= 1 << (bit & 7);
  file[32] = quality;
  file.write(rest, 33);
  return { source: { case: 'base64' as const, value: file } };
}

/** Scans and waits for the end. @returns the operation's result. */
async function scan(options: ScanInit = {}) {
  const { id } = await replica.duplicates.scanDuplicates({ collection, ...options }, replica.options);
  await expect.poll(async () => (await replica.operations.getOperation({ id }, replica.options)).state, { timeout: 20_000, interval: 20 }).toMatch(/succeeded|failed/);
  const { state, result, problem } = await replica.operations.getOperation({ id }, replica.options);
  expect({ state, problem }).toMatchObject({ state: 'succeeded' });
  return result as unknown as { pairs: number; duplicates: number; items: number; pictures: number };
}

const list = async (filter: object = {}) => (await replica.duplicates.listDuplicates({ collection, ...filter }, replica.options)).duplicates;

/** Pairs such as `a<b`, with a sign when it is folded, and the state unless it is open. */
const pairs = async () => (await list()).map(({ keeper, duplicate, isFolded, state }) => `${keeper}${isFolded ? '<' : ' '}${duplicate}${state === 'open' ? '' : ` ${state}`}`).sort();
const idOf = async ({ keeper, duplicate }: { keeper: string; duplicate: string }) => (await list()).find((pair) => pair.keeper === keeper && pair.duplicate === duplicate)!.id;

async function keepers(): Promise<Record<string, string>> {
  const { rows } = await owner.query('select id, keeper from retrieval.item where collection = $1 and keeper is not null order by id', [collection]);
  return Object.fromEntries(rows.map(({ id, keeper }) => [id, keeper]));
}
const positions = async () => (await owner.query('select count(distinct position)::int as count, max(position)::int as last from retrieval.item where collection = $1', [collection])).rows[0];

it('keeps the older item of each pair, and no chains', async () => {
  await write(at('b', 15), at('a', 0), at('c', 30), at('x', 120), at('y', 121), at('z', 240));
  const before = await positions();
  expect(await scan()).toMatchObject({ items: 6, pairs: 3, duplicates: 2 });
  expect(await pairs()).toEqual(['a<b', 'b c', 'x<y']);
  expect(await keepers()).toEqual({ b: 'a', y: 'x' });
  expect((await positions()).last).toBeGreaterThan(before.last);
  const [surest] = await list({ limit: 1 });
  expect(surest).toMatchObject({ keeper: 'x', duplicate: 'y', state: 'open', evidence: { isSameContent: false, pictures: [], vectors: [{ space: 'mine', kind: 'note', keeperPart: 0, duplicatePart: 0 }] } });
  expect(surest.evidence!.vectors[0].cosine).toBeCloseTo(Math.cos(Math.PI / 180), 6);
  expect(surest.strength).toBe(surest.evidence!.vectors[0].cosine);

  // Nothing new: nothing is written.
  const after = await positions();
  expect(await scan()).toMatchObject({ pairs: 3, duplicates: 2 });
  expect(await positions()).toEqual(after);
  // A higher threshold takes open pairs away.
  expect(await scan({ threshold: 0.99 })).toMatchObject({ pairs: 1, duplicates: 1 });
  expect(await pairs()).toEqual(['x<y']);
  expect(await keepers()).toEqual({ y: 'x' });
});

it('pages through the pairs, and filters them', async () => {
  await write(...Array.from({ length: 6 }, (_, index) => at(String.fromCharCode(97 + index), 3 * index)));
  expect(await scan()).toMatchObject({ pairs: 15, duplicates: 5 });
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await replica.duplicates.listDuplicates({ collection, limit: 4, cursor }, replica.options);
    seen.push(...page.duplicates.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor);
  const all = await list();
  expect(seen).toEqual(all.map(({ id }) => id));
  expect(all.map(({ strength }) => strength)).toEqual(all.map(({ strength }) => strength).toSorted((a, b) => b - a));
  expect((await list({ itemId: 'c' })).length).toBe(5);
  expect(await list({ state: 'merged' })).toEqual([]);
});

it('shows equal content, equal files and pictures that look alike', async () => {
  await write(
    { ...at('a', 0), title: 'Same', images: [picture(100, 90, 'one')] },
    { ...at('b', 90), title: 'Same', images: [picture(100, 90, 'one')] },
    { ...at('c', 180), images: [picture(0, 90, 'far'), picture(131, 60, 'near')] },
    { ...at('d', 270), images: [picture(132, 90, 'too far')] },
    { ...at('e', 45), title: 'E', images: [picture(100, 49, 'dull')] },
    { ...at('f', 135), title: 'F', images: [picture(100, 49, 'dull')] },
  );
  expect(await scan({ space: 'mine' })).toMatchObject({ pictures: 7, pairs: 5 });
  const [first] = await list();
  expect(first).toMatchObject({ keeper: 'a', duplicate: 'b', strength: 3, isFolded: true });
  expect(first.evidence).toMatchObject({ isSameContent: true, pictures: [{ isSameFile: true, distance: 0, quality: 90 }], vectors: [] });
  const near = (await list({ itemId: 'c' })).find(({ keeper }) => keeper === 'a')!;
  expect(near.evidence!.pictures).toMatchObject([{ keeperPart: 0, duplicatePart: 1, isSameFile: false, distance: 31, quality: 60 }]);
  expect(near.strength).toBe(2);
  const dull = (await list({ itemId: 'f' }))[0];
  expect(dull.evidence!.pictures).toMatchObject([{ isSameFile: true, quality: 49 }]);
  expect(dull.evidence!.pictures[0].distance).toBeUndefined();
  expect(await pairs()).toEqual(['a<b', 'a<c', 'b c', 'c d', 'e<f']);

  expect(await scan({ usePerceptualHash: false, space: 'mine' })).toMatchObject({ pictures: 0, pairs: 1 });
  expect(await pairs()).toEqual(['a<b']);
});

it('compares each kind in each space once', async () => {
  await write({ id: 'a', title: 'Equal' }, { id: 'b', title: 'Equal' }, { id: 'c', title: 'Equal', images: [{ ...picture(1, 1, 'x'), ocrText: 'words' }] }, { id: 'd', images: [{ ...picture(2, 1, 'y'), ocrText: 'words' }] });
  await scan({ kinds: ['text', 'note', 'ocr'] });
  const evidence = Object.fromEntries((await list()).map(({ keeper, duplicate, evidence }) => [`${keeper}${duplicate}`, evidence!.vectors.map(({ space, kind }) => `${space}:${kind}`)]));
  expect(evidence).toEqual({ ab: ['text:text'], ac: ['text:text'], bc: ['text:text'], cd: ['text:ocr'] });
});

it('a dismissed pair stays dismissed until the content of one of its items changes', async () => {
  await write(at('a', 0), at('b', 5), at('c', 100));
  await scan();
  const id = await idOf({ keeper: 'a', duplicate: 'b' });
  expect(await replica.duplicates.dismissDuplicate({ collection, id }, replica.options)).toMatchObject({ id, state: 'dismissed', isFolded: false, decidedAt: expect.anything() });
  expect(await keepers()).toEqual({});
  await scan();
  await write(at('a', 0, { attributes: { x: 1 }, category: 'other' }));
  await scan({ threshold: 0.9 });
  expect(await pairs()).toEqual(['a b dismissed']);

  await write(at('b', 6));
  expect(await pairs()).toEqual([]);
  await scan();
  expect(await pairs()).toEqual(['a<b']);
});

it('a merged pair stays merged, and merged pairs make no chains', async () => {
  await write(at('a', 0), at('b', 15), at('c', 30), at('d', 45));
  await scan();
  expect(await pairs()).toEqual(['a<b', 'b c', 'c<d']);
  const bc = await idOf({ keeper: 'b', duplicate: 'c' });
  expect(await replica.duplicates.mergeDuplicate({ collection, id: bc }, replica.options)).toMatchObject({ state: 'merged', isFolded: true });
  expect(await keepers()).toEqual({ c: 'b' });
  for (const pair of [{ keeper: 'a', duplicate: 'b' }, { keeper: 'c', duplicate: 'd' }]) {
    await expect(replica.duplicates.mergeDuplicate({ collection, id: await idOf(pair) }, replica.options)).rejects.toMatchObject({ reason: Reason.KEEPER_IS_DUPLICATE });
  }
  await scan({ threshold: 0.99 });
  expect(await pairs()).toEqual(['b<c merged']);
  // Whoever dismisses it takes the merge back.
  await replica.duplicates.dismissDuplicate({ collection, id: bc }, replica.options);
  await scan();
  expect(await pairs()).toEqual(['a<b', 'b c dismissed', 'c<d']);
});

it('merging with delete deletes the duplicate; who was its keeper or duplicate is decided anew', async () => {
  await write(at('a', 0), at('b', 10), at('c', 19));
  await scan();
  expect(await pairs()).toEqual(['a<b', 'b c']);
  const key = { idempotencyKey: randomUUID() };
  const id = await idOf({ keeper: 'a', duplicate: 'b' });
  const merged = await replica.duplicates.mergeDuplicate({ collection, id, delete: true }, { ...replica.options, ...key });
  expect(merged).toMatchObject({ state: 'merged', duplicate: 'b', isFolded: false });
  await expect(replica.items.getItem({ collection, id: 'b' }, replica.options)).rejects.toMatchObject({ reason: Reason.ITEM_NOT_FOUND });
  expect(await pairs()).toEqual([]);
  await expect(replica.duplicates.mergeDuplicate({ collection, id, delete: true }, replica.options)).rejects.toMatchObject({ reason: Reason.DUPLICATE_NOT_FOUND });
});

it('the duplicates of a keeper that is deleted are decided anew', async () => {
  await write(at('a', 0), at('b', 10), at('c', 15), at('d', 350));
  await scan();
  expect(await keepers()).toEqual({ b: 'a', c: 'a', d: 'a' });
  await replica.items.deleteItem({ collection, id: 'a' }, replica.options);
  expect(await keepers()).toEqual({ c: 'b' });
  expect(await pairs()).toEqual(['b<c']);
  // Written anew, it has no pairs before the next scan.
  await write(at('a', 0));
  expect(await pairs()).toEqual(['b<c']);
});

it('leaves items that are written while it runs to the next scan', async () => {
  await write(at('a', 0), at('b', 5));
  await scan();
  // The end of a scan waits for the collection; `b` is written before it comes to it.
  const lock = new pg.Client({ connectionString: database.ownerUrl });
  await lock.connect();
  await lock.query('begin');
  await lock.query('update retrieval.collection set position = position + 1 where name = $1', [collection]);
  const scanned = scan({ threshold: 0.999 });
  const waiting = `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%retrieval.collection%for update'`;
  await expect.poll(async () => (await owner.query(waiting)).rows[0].count, { timeout: 20_000 }).toBe(1);
  await lock.query('update retrieval.item set position = (select position from retrieval.collection c where c.name = $1) where collection = $1 and id = $2', [collection, 'b']);
  await lock.query('commit');
  await lock.end();
  await scanned;
  expect(await pairs()).toEqual(['a<b']);
  await scan({ threshold: 0.999 });
  expect(await pairs()).toEqual([]);
});

it('normalises scores by a background', async () => {
  await write(...Array.from({ length: 20 }, (_, index) => at(`z${index}`, 200 + index * 7)), at('a', 0), at('b', 10), at('c', 19));
  await scan({ threshold: 0.98, space: 'mine', normalisation: { sample: 100, neighbours: 1 } });
  const [pair] = (await list({ itemId: 'a' })).map(({ evidence }) => evidence!.vectors[0]);
  // The background of a is c, 19 degrees away; that of b is nobody below the threshold nearer than 49 degrees: z19 at 333.
  const bias = (Math.cos((19 * Math.PI) / 180) + Math.cos((37 * Math.PI) / 180)) / 2;
  expect(pair.normalisedScore).toBeCloseTo(Math.cos((10 * Math.PI) / 180) - bias, 5);
  await scan({ threshold: 0.98, space: 'mine', normalisation: { sample: 100, neighbours: 1, threshold: 1.5 } });
  expect(await list()).toEqual([]);
});

describe('with pages of 7 pieces', () => {
  const evidenceLimits = { page: 7, most: 500 };
  let other: TestDatabase; // where no other replica takes the work
  let small: Replica;
  beforeEach(async () => {
    other = await testDatabase({ service: 'retrieval' });
    small = await startReplica(other, replica.tenant, { evidenceLimits });
  });
  afterEach(async () => {
    await small.stop();
    await other.drop();
  });

  /** Items of one direction and one picture: each two are a pair by both. */
  async function writeEqual(name: string, count: number) {
    await small.collections.putCollection({ collection: name, spaces: [{ name: 'mine', dimension: 2, modelVersion: 'mine@1', kinds: ['note'] }] }, small.options);
    const items = Array.from({ length: count }, (_, index) => ({ ...at(`i${index}`, 0), createdAt: { seconds: BigInt(1_000 + index), nanos: 0 }, title: `title ${index}`, images: [picture(100, 90, 'one')] }));
    for (let start = 0; start < count; start += 10) await small.items.upsertItems({ collection: name, items: items.slice(start, start + 10) }, small.options);
  }
  const begin = async (name: string) => (await small.duplicates.scanDuplicates({ collection: name }, small.options)).id;
  async function ended(id: string) {
    await expect.poll(async () => (await small.operations.getOperation({ id }, small.options)).state, { timeout: 20_000, interval: 20 }).toMatch(/succeeded|failed/);
    return small.operations.getOperation({ id }, small.options);
  }
  async function expectAllPairs(name: string) {
    const { duplicates } = await small.duplicates.listDuplicates({ collection: name, limit: 1000 }, small.options);
    expect(duplicates.filter(({ isFolded }) => isFolded).map(({ keeper }) => keeper)).toEqual(Array.from({ length: 19 }, () => 'i0'));
    for (const { evidence } of duplicates) expect([evidence!.pictures.length, evidence!.vectors.length]).toEqual([1, 1]);
  }

  it('finds many times what it holds at once, and says when it is too much', async () => {
    await writeEqual('many', 20);
    expect(await ended(await begin('many'))).toMatchObject({ state: 'succeeded', result: { pairs: 190, duplicates: 19 } });
    await expectAllPairs('many');
    await writeEqual('too-many', 30); // 435 pairs
    expect(await ended(await begin('too-many'))).toMatchObject({ state: 'failed', problem: { reason: 'too-many-duplicates', detail: expect.stringContaining('More than 500') } });
  });

  it('forgets the pages of a checkpoint that was not reached when another replica goes on', async () => {
    await writeEqual('stopped', 20);
    const otherOwner = new pg.Client({ connectionString: other.ownerUrl });
    await otherOwner.connect();
    await otherOwner.query(`
      create table public.gate (open_to integer not null);
      insert into public.gate values (250);
      create function public.pass() returns trigger language plpgsql security definer as $$
      begin
        while (select count(*) from retrieval.duplicate_found) >= (select open_to from public.gate) loop perform pg_sleep(0.02); end loop;
        return null;
      end $$;
      create trigger pass before insert on retrieval.duplicate_found for each statement execute function public.pass()`);
    const id = await begin('stopped');
    // 190 pieces of pictures are a checkpoint, and those of vectors are stored by sevens before the next.
    await expect.poll(async () => Number((await otherOwner.query('select count(*) from retrieval.duplicate_found')).rows[0].count), { timeout: 20_000, interval: 20 }).toBeGreaterThanOrEqual(250);
    const stopping = small.stop();
    await otherOwner.query('update public.gate set open_to = 1000000');
    await otherOwner.end();
    await stopping;
    small = await startReplica(other, replica.tenant, { evidenceLimits });
    expect(await ended(id)).toMatchObject({ state: 'succeeded', result: { pairs: 190, duplicates: 19 } });
    await expectAllPairs('stopped');
  });
});

it.each<[string, object, Reason, string]>([
  ['a space that is not there', { space: 'other' }, Reason.SPACE_NOT_FOUND, '/space'],
  ['a kind that the space has not', { space: 'mine', kinds: ['image'] }, Reason.INVALID_REQUEST, '/kinds'],
  ['a threshold of 0.4', { threshold: 0.4 }, Reason.INVALID_REQUEST, '/threshold'],
  ['a collection that is not there', { collection: 'nowhere' }, Reason.COLLECTION_NOT_FOUND, '/collection'],
])('refuses %s', async (_, request, reason, pointer) => {
  await expect(replica.duplicates.scanDuplicates({ collection, ...request }, replica.options)).rejects.toMatchObject({ reason, violations: [{ pointer }] });
});
