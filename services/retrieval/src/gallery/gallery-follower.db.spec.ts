import { serviceClient } from '@touchstone/contracts';
import { GalleryService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/gallery_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { type Replica, startReplica } from '../fixture/replica.ts';

let database: TestDatabase;
let owner: pg.Client;
let first: Replica;
let second: Replica;

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  // Events leave the outbox once they are consumed: what was ever posted is written down.
  await owner.query(`
    create table posted (key text);
    grant insert on posted to retrieval;
    create function note_event() returns trigger language plpgsql as $$ begin insert into public.posted values (new.key); return new; end $$;
    create trigger note_event after insert on retrieval.outbox for each row
      when (new.topic = 'touchstone.retrieval.gallery.matched.v1') execute function note_event()`);
  first = await startReplica(database);
  second = await startReplica(database, first.tenant);
});

afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
  await owner.end();
  await database.drop();
});

const galleries = ({ channel }: Replica) => serviceClient(GalleryService, channel);
const texts = { spaces: [{ name: 'text' }] };

async function upToDate(gallery: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { watches } = await galleries(second).getGallery({ gallery }, second.options);
      for (const { position, latestPosition } of watches) expect(position).toBe(latestPosition);
    },
    { timeout: 20_000, interval: 30 },
  );
}

const matchedIds = async (gallery: string) => {
  const { matches } = await galleries(first).listMatches({ gallery, limit: 200 }, first.options);
  return matches.map(({ itemId }) => itemId).sort();
};

it('two replicas match each item once, while both are written to and one goes away', async () => {
  for (const collection of ['references', 'notes']) await first.collections.putCollection({ collection, ...texts }, first.options);
  await first.items.upsertItems({ collection: 'references', items: [{ id: 'r', title: 'risky' }] }, first.options);
  await galleries(first).putGallery({ gallery: 'g', policy: 'p', references: 'references', watches: ['notes'], thresholds: [{ score: 0.999 }] }, first.options);

  const third = await startReplica(database, first.tenant);
  const risky: string[] = [];
  for (let batch = 0; batch < 12; batch++) {
    const replica = [first, second][batch % 2];
    const items = Array.from({ length: 20 }, (_, index) => ({ id: `n${batch}-${index}`, title: index % 5 === 0 ? 'risky' : `harmless ${batch} ${index}` }));
    risky.push(...items.filter(({ title }) => title === 'risky').map(({ id }) => id));
    await replica.items.upsertItems({ collection: 'notes', items }, replica.options);
    if (batch === 6) await third.stop();
  }
  await upToDate('g');
  expect(await matchedIds('g')).toEqual(risky.toSorted());
  await galleries(first).rematchGallery({ gallery: 'g' }, first.options);
  await upToDate('g');
  expect(await matchedIds('g')).toEqual(risky.toSorted());
  const { rows } = await owner.query<{ key: string }>('select key from posted order by key');
  expect(rows.map(({ key }) => key)).toEqual(risky.map((id) => `g/notes/${id}`).toSorted());
});

it('a change of the gallery counts for what is being matched meanwhile', async () => {
  await first.collections.putCollection({ collection: 'busy', ...texts }, first.options);
  const put = (score: number) => galleries(second).putGallery({ gallery: 'h', policy: 'p', references: 'references', watches: ['busy'], thresholds: [{ score }] }, second.options);
  await put(-1);
  const writing = (async () => {
    for (let batch = 0; batch < 10; batch++) {
      await first.items.upsertItems({ collection: 'busy', items: Array.from({ length: 10 }, (_, index) => ({ id: `b${batch}-${index}`, title: index === 0 ? 'risky' : `${batch} ${index}` })) }, first.options);
    }
  })();
  await put(0.999);
  await writing;
  await upToDate('h');
  expect(await matchedIds('h')).toEqual(Array.from({ length: 10 }, (_, batch) => `b${batch}-0`));
});

it('sequences of matches have no holes that a reader could miss', async () => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  await first.collections.putCollection({ collection: 'watched', ...texts }, first.options);
  await galleries(first).putGallery({ gallery: 'w', policy: 'p', references: 'references', watches: ['watched'], thresholds: [{ score: 0.999 }] }, first.options);
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { event } of galleries(second).watchMatches({ gallery: 'w', afterSequence: 0 }, { ...second.options, signal: stop.signal })) {
      if (event.case === 'matched') seen.push(event.value.itemId);
      if (seen.length === 30) return;
    }
  })();
  for (let index = 0; index < 30; index++) await [first, second][index % 2].items.upsertItems({ collection: 'watched', items: [{ id: `i${index}`, title: 'risky' }] }, first.options);
  await reading;
  expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => `i${index}`));
});

it('what was embedded in a version is compared in that version, also when another one becomes active meanwhile', async () => {
  const version = { collection: 'switching', space: 'text', modelVersion: 'hash@2' };
  await first.collections.putCollection({ collection: 'switching', ...texts }, first.options);
  await first.items.upsertItems({ collection: 'switching', items: [{ id: 'r', title: 'risky' }] }, first.options);
  const { id } = await first.versions.reindex(version, first.options);
  await vi.waitFor(async () => expect(await first.operations.getOperation({ id }, first.options)).toMatchObject({ state: 'succeeded' }), { timeout: 20_000 });
  await galleries(first).putGallery({ gallery: 's', policy: 'p', references: 'switching', watches: [], thresholds: [{ score: 0.999 }] }, first.options);

  const embeddedIn: string[] = [];
  first.hooks.beforeEmbedding = async (modelVersion) => {
    embeddedIn.push(modelVersion);
    if (embeddedIn.length === 1) await second.versions.switchModelVersion(version, second.options);
  };
  onTestFinished(() => void delete first.hooks.beforeEmbedding);
  for (let round = 0; round < 2; round++) {
    const { comparisons } = await galleries(first).matchGallery({ gallery: 's', query: { text: 'risky' } }, first.options);
    expect(comparisons).toMatchObject([{ referenceId: 'r', isMatch: true, score: 1 }]);
  }
  expect(embeddedIn).toEqual(['hash@1', 'hash@2']);
});
