import { expect, it } from 'vitest';
import { api, newCollection, scanDuplicates, search } from './api.ts';
import { photo, photoVariant } from './photos.ts';

interface Pair {
  readonly id: string;
  readonly keeper: string;
  readonly duplicate: string;
  readonly state: string;
  readonly isFolded: boolean;
  readonly strength: number;
  readonly evidence: { readonly isSameContent: boolean; readonly pictures: Record<string, unknown>[]; readonly vectors: { readonly space: string; readonly cosine: number; readonly normalisedScore?: number }[] };
}

const list = async (path: string, query = ''): Promise<Pair[]> => (await api().get(`${path}/duplicates${query}`).expect(200)).body.duplicates;
const day = (number: number) => `2026-01-0${number}T00:00:00Z`;

it('finds a picture that was sent again smaller, a text that was copied, and says why', async () => {
  const path = await newCollection();
  await api()
    .post(`${path}/items:upsert`, {
      items: [
        { id: 'photo-again', createdAt: day(2), images: [{ base64: await photoVariant(0) }] },
        { id: 'photo', createdAt: day(1), images: [{ base64: await photo(0) }] },
        { id: 'another-photo', createdAt: day(1), images: [{ base64: await photo(1) }] },
        { id: 'recipe', createdAt: day(3), title: 'Bake the apples for twenty minutes with butter and brown sugar.' },
        { id: 'recipe-copy', createdAt: day(4), title: 'Bake the apples for twenty minutes with butter and brown sugar' },
        { id: 'planets', createdAt: day(4), title: 'Jupiter has more moons than the Earth.' },
      ],
    })
    .expect(200);
  expect(await scanDuplicates(path, { normalisation: {} })).toMatchObject({ items: 6, pictures: 3, pairs: 2, duplicates: 2 });

  expect((await search(path, { query: { itemId: 'another-photo' } })).sort()).toEqual(['photo', 'photo-again']);
  expect(await search(path, { query: { itemId: 'another-photo' }, groupBy: 'duplicateCluster' })).toHaveLength(1);

  const [picture, text] = await list(path);
  expect(picture).toMatchObject({ keeper: 'photo', duplicate: 'photo-again', state: 'open', isFolded: true, evidence: { isSameContent: false, pictures: [{ keeperPart: 0, duplicatePart: 0, isSameFile: false }] } });
  expect(picture.evidence.pictures[0].distance).toBeLessThanOrEqual(31);
  expect(picture.strength).toBeGreaterThanOrEqual(2);
  expect(text).toMatchObject({ keeper: 'recipe', duplicate: 'recipe-copy', evidence: { pictures: [], vectors: [{ space: 'text', kind: 'text' }] } });
  expect(text.evidence.vectors[0].cosine).toBeGreaterThan(0.95);
  expect(text.evidence.vectors[0].normalisedScore).toBeLessThan(text.evidence.vectors[0].cosine);
});

it('lets people dismiss and merge pairs, and forgets what was said of other content', async () => {
  const path = await newCollection('first', { spaces: [{ name: 'text' }] });
  const items = (id: string, title: string, createdAt: string) => ({ items: [{ id, title, createdAt }] });
  for (const [index, id] of ['a', 'b', 'c'].entries()) await api().post(`${path}/items:upsert`, items(id, 'One and the same sentence, three times.', day(index + 1))).expect(200);
  expect(await scanDuplicates(path)).toMatchObject({ pairs: 3, duplicates: 2 });
  const pairs = await list(path);
  const between = (keeper: string, duplicate: string) => pairs.find((pair) => pair.keeper === keeper && pair.duplicate === duplicate)!;
  expect(pairs.every(({ strength }) => strength === 3 || strength > 0.999)).toBe(true);

  await api().post(`${path}/duplicates/${between('a', 'b').id}:dismiss`, {}).expect(200);
  await api().post(`${path}/duplicates/${between('b', 'c').id}:merge`, {}).expect(200);
  const refused = await api().post(`${path}/duplicates/${between('a', 'c').id}:merge`, {}).expect(409);
  expect(refused.body.type).toContain('/problems/keeper-is-duplicate');
  await scanDuplicates(path);
  expect((await list(path)).map(({ keeper, duplicate, state, isFolded }) => [keeper, duplicate, state, isFolded]).sort()).toEqual([
    ['a', 'b', 'dismissed', false],
    ['a', 'c', 'open', false],
    ['b', 'c', 'merged', true],
  ]);
  expect((await list(path, '?state=merged')).map(({ duplicate }) => duplicate)).toEqual(['c']);
  expect(await list(path, '?itemId=a&limit=1')).toHaveLength(1);

  await api().post(`${path}/items:upsert`, items('b', 'Something else was written here.', day(2))).expect(200);
  expect((await list(path)).map(({ keeper, duplicate }) => keeper + duplicate)).toEqual(['ac']);

  await api().post(`${path}/duplicates/${between('a', 'c').id}:merge`, { delete: true }).expect(200);
  await api().get(`${path}/items/c`).expect(404);
  expect((await search(path, { query: { text: 'one and the same sentence' } })).sort()).toEqual(['a', 'b']);
  await api().post(`${path}/duplicates/${between('a', 'c').id}:merge`, {}).expect(404);
});

it('refuses what cannot be scanned or listed', async () => {
  const path = await newCollection('first', { spaces: [{ name: 'text' }] });
  const pointerOf = async (body: object, status: number) => (await api().post(`${path}/duplicates:scan`, body).expect(status)).body.violations[0].pointer;
  expect(await pointerOf({ space: 'image' }, 422)).toBe('/space');
  expect(await pointerOf({ kinds: ['image'] }, 400)).toBe('/kinds');
  expect(await pointerOf({ kinds: ['video'] }, 400)).toBe('/kinds/0');
  expect(await pointerOf({ threshold: 1.5 }, 400)).toBe('/threshold');
  expect(await pointerOf({ normalisation: { sample: 1 } }, 400)).toBe('/normalisation/sample');
  await api().get(`${path}/duplicates?cursor=bm90aGluZw`).expect(400);
  await api().get(`${path}/duplicates?state=gone`).expect(400);
  await api().post(`${path}/duplicates/${'0'.repeat(32)}:dismiss`, {}).expect(404);
  await api('second').get(`${path}/duplicates`).expect(404);
});
