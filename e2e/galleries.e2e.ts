import { randomUUID } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { api, newCollection, platform } from './api.ts';
import { photo, photoVariant } from './photos.ts';

const nameOf = (path: string) => path.split('/').at(-1)!;

async function newGallery(body: object): Promise<string> {
  const path = `/v1/galleries/test-${randomUUID()}`;
  await api().put(path, { policy: 'counterfeit goods', ...body }).expect(200);
  return path;
}

/** Waits until every write of the watched collections was matched. @returns the matches, newest first. */
async function matchesOf(gallery: string): Promise<Record<string, any>[]> {
  await vi.waitFor(
    async () => {
      const { body } = await api().get(gallery).expect(200);
      for (const { position, latestPosition } of body.watches) expect(position).toBe(latestPosition);
    },
    { timeout: 20_000, interval: 50 },
  );
  return (await api().get(`${gallery}/matches`).expect(200)).body.matches;
}

const upsert = (path: string, ...items: object[]) => api().post(`${path}/items:upsert`, { items }).expect(200);

it('a risky picture inside a long note is an alert', async () => {
  const references = await newCollection();
  const notes = await newCollection();
  await upsert(references, { id: 'bag', category: 'bags', images: [{ base64: await photo(0) }] }, { id: 'watch', category: 'watches', images: [{ base64: await photo(1) }] });
  const gallery = await newGallery({ references: nameOf(references), watches: [nameOf(notes)], thresholds: [{ space: 'image', score: 0.9 }, { category: 'watches', space: 'image', score: 1 }] });

  await upsert(
    notes,
    { id: 'risky', title: 'My summer', body: 'A long note about something else.', images: [{ base64: await photo(2) }, { base64: await photoVariant(0) }] },
    { id: 'strict', title: 'Of a category with a higher threshold', images: [{ base64: await photoVariant(1) }] },
    { id: 'harmless', title: 'Harmless', images: [{ base64: await photo(3) }] },
  );
  const matches = await matchesOf(gallery);
  expect(matches).toMatchObject([
    { collection: nameOf(notes), itemId: 'risky', policy: 'counterfeit goods', comparison: { referenceId: 'bag', category: 'bags', threshold: 0.9, isMatch: true, space: 'image', kind: 'image' } },
  ]);
  expect(matches[0].comparison.score).toBeGreaterThan(0.9);

  // An item that changes has the matches of its new content; one that is deleted has none.
  await upsert(notes, { id: 'risky', title: 'My summer', images: [{ base64: await photo(4) }] }, { id: 'harmless', title: 'Not any more', images: [{ base64: await photo(0) }] });
  expect(await matchesOf(gallery)).toMatchObject([{ itemId: 'harmless', comparison: { referenceId: 'bag' } }]);
  await api().delete(`${notes}/items/harmless`).expect(200);
  expect(await matchesOf(gallery)).toEqual([]);
});

it('texts, OCR texts and notes are matched too, and what was there before the gallery', async () => {
  const references = await newCollection('first', { spaces: [{ name: 'text' }] });
  const notes = await newCollection();
  const claim = 'Buy two replica watches and get one for free';
  await upsert(references, { id: 'claim', title: claim });
  await upsert(notes, { id: 'early', title: 'Holiday', images: [{ base64: await photo(0), ocrText: claim }] });
  const gallery = await newGallery({ references: nameOf(references), watches: [nameOf(notes)] });
  expect(await matchesOf(gallery)).toMatchObject([{ itemId: 'early', comparison: { referenceId: 'claim', space: 'text', threshold: 0.85 } }]);

  // A lower threshold matches more, and the match that was there keeps its time.
  const [{ matchedAt }] = await matchesOf(gallery);
  await upsert(notes, { id: 'similar', title: 'Replica watches: buy two, one more is free' });
  await matchesOf(gallery);
  await api().put(gallery, { policy: 'counterfeit goods', references: nameOf(references), watches: [nameOf(notes)], thresholds: [{ score: 0.6 }] }).expect(200);
  const matches = await matchesOf(gallery);
  expect(matches.map(({ itemId }) => itemId).sort()).toEqual(['early', 'similar']);
  expect(matches.find(({ itemId }) => itemId === 'early')!.matchedAt).toBe(matchedAt);

  await upsert(references, { id: 'holiday', title: 'Holiday' });
  const rematched = await api().post(`${gallery}:rematch`, {}).expect(200);
  expect(rematched.body.watches).toMatchObject([{ position: 0 }]);
  expect((await matchesOf(gallery)).map(({ comparison }) => comparison.referenceId)).toContain('holiday');

  await api().delete(gallery).expect(200);
  await api().get(gallery).expect(404);
  await api().get(`${gallery}/matches`).expect(404);
  await api().get(`${references}/items/claim`).expect(200);
});

it('matches are sent as they are found, and a reader that was cut off goes on where it was', async () => {
  const references = await newCollection('first', { spaces: [{ name: 'text' }] });
  const notes = await newCollection('first', { spaces: [{ name: 'text' }] });
  await upsert(references, { id: 'claim', title: 'A miracle cure for everything' });
  const gallery = await newGallery({ references: nameOf(references), watches: [nameOf(notes)] });

  const first = await events(gallery, 1);
  expect(first).toMatchObject([{ event: 'watching', data: { sequence: 0 } }]);
  const reading = events(gallery, 3, '0');
  for (const id of ['one', 'two']) await upsert(notes, { id, title: 'A miracle cure for everything' });
  const read = await reading;
  expect(read.map(({ event }) => event)).toEqual(['watching', 'matched', 'matched']);
  expect(read.slice(1).map(({ data }) => data.matched.itemId)).toEqual(['one', 'two']);
  expect((await events(gallery, 2, read[1].id)).at(-1)!.data.matched.itemId).toBe('two');
});

/** The first `count` events of a gallery's stream. */
async function events(gallery: string, count: number, lastEventId?: string): Promise<{ id: string; event: string; data: Record<string, any> }[]> {
  const stop = new AbortController();
  const headers = { authorization: `Bearer ${platform.keys.first}`, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) };
  const answer = await fetch(`${platform.url}${gallery}/matches:watch`, { headers, signal: stop.signal });
  expect(answer.status).toBe(200);
  let text = '';
  const blocks = () => text.split('\n\n').slice(0, -1).filter((block) => block.includes('data:'));
  for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (blocks().length >= count) break;
  }
  stop.abort();
  const line = (block: string, name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)![1];
  return blocks().slice(0, count).map((block) => ({ id: line(block, 'id'), event: line(block, 'event'), data: JSON.parse(line(block, 'data')) }));
}

it('compares one thing with a gallery, matches first', async () => {
  const references = await newCollection();
  await upsert(references, { id: 'bag', category: 'bags', images: [{ base64: await photo(0) }] }, { id: 'cup', images: [{ base64: await photo(1) }] });
  const gallery = await newGallery({ references: nameOf(references), watches: [] });
  const { body } = await api().post(`${gallery}:match`, { query: { image: { base64: await photoVariant(0) } } }).expect(200);
  expect(body.comparisons).toMatchObject([{ referenceId: 'bag', isMatch: true }, { referenceId: 'cup', isMatch: false }]);

  const notes = await newCollection();
  await upsert(notes, { id: 'note', title: 'A note', images: [{ base64: await photo(1) }] });
  const byItem = await api().post(`${gallery}:match`, { query: { itemId: 'note' }, collection: nameOf(notes), limit: 1 }).expect(200);
  expect(byItem.body.comparisons).toMatchObject([{ referenceId: 'cup', isMatch: true, category: '' }]);
  await api().post(`${gallery}:match`, { query: { itemId: 'note' } }).expect(400);
});

it('finds thresholds from labelled pairs', async () => {
  const references = await newCollection('first', { spaces: [{ name: 'text' }] });
  const notes = await newCollection('first', { spaces: [{ name: 'text' }] });
  const subjects = ['a red bicycle', 'fresh apple pie', 'the night train to Vienna', 'a sleeping cat', 'stock market news', 'how to prune roses'];
  await upsert(references, ...subjects.map((title, index) => ({ id: `r${index}`, category: 'subject', title })));
  await upsert(notes, ...subjects.map((title, index) => ({ id: `n${index}`, title: `A note on ${title}` })));
  const gallery = await newGallery({ references: nameOf(references), watches: [nameOf(notes)] });
  const pairs = subjects.flatMap((_, note) => subjects.map((_, reference) => ({ collection: nameOf(notes), itemId: `n${note}`, referenceId: `r${reference}`, isMatch: note === reference })));

  const { body } = await api().post(`${gallery}:calibrate`, { pairs, precision: 0.9 }).expect(200);
  expect(body.calibrations).toMatchObject([{ category: 'subject', space: 'text', matchingPairs: 6, otherPairs: 30, recall: { value: 1 } }]);
  const [{ threshold, precision, thresholdInterval }] = body.calibrations;
  expect(precision.value).toBeGreaterThanOrEqual(0.9);
  expect(thresholdInterval.low).toBeLessThanOrEqual(threshold);
  expect(thresholdInterval.high).toBeGreaterThanOrEqual(threshold);

  const broken = await api().post(`${gallery}:calibrate`, { pairs: [...pairs, { collection: nameOf(notes), itemId: 'nobody', referenceId: 'r0', isMatch: true }] }).expect(404);
  expect(broken.body.violations).toMatchObject([{ pointer: '/pairs/36/itemId' }]);
});

it('refuses what could never match', async () => {
  const texts = await newCollection('first', { spaces: [{ name: 'text' }] });
  const pictures = await newCollection('first', { spaces: [{ name: 'image' }] });
  const path = `/v1/galleries/test-${randomUUID()}`;
  const put = (body: object) => api().put(path, { policy: 'p', references: nameOf(texts), ...body });
  await put({ watches: [nameOf(pictures)] }).expect(422);
  await put({ watches: ['nowhere'] }).expect(404);
  await put({ references: 'nowhere' }).expect(404);
  await put({ thresholds: [{ score: 0.5 }, { score: 0.6 }] }).expect(400);
  await put({ thresholds: [{ score: 1.5 }] }).expect(400);
  await api().get(path).expect(404);
});
