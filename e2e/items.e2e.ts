import { expect, it, vi } from 'vitest';
import { api, newCollection, search } from './api.ts';
import { photo, photoBytes, photoVariant } from './photos.ts';

it('finds similar texts by text and by item', async () => {
  const path = await newCollection();
  await api()
    .post(`${path}/items:upsert`, {
      items: [
        { id: 'bread', title: 'Sourdough bread', body: 'Feed the starter overnight and bake at high heat.', attributes: { topic: 'food' } },
        { id: 'rye', title: 'Baking rye loaves at home', attributes: { topic: 'food' } },
        { id: 'tyre', title: 'Mend a flat tyre on the road', attributes: { topic: 'bicycle' } },
      ],
    })
    .expect(200, { upserted: 3, unchanged: 0, position: 1 });

  expect(await search(path, { query: { text: 'my wheel has a puncture' }, limit: 1 })).toEqual(['tyre']);
  expect(await search(path, { query: { itemId: 'bread' } })).toEqual(['rye', 'tyre']);
  expect(await search(path, { query: { itemId: 'bread' }, filter: { all: [{ field: 'topic', equals: 'bicycle' }] } })).toEqual(['tyre']);
  const food = await search(path, { query: { text: 'bread' }, filter: { all: [{ field: 'topic', in: ['food', 'garden'] }] } });
  expect(food.sort()).toEqual(['bread', 'rye']);
});

it('finds a photo by a smaller JPEG of it, and an item by both of its spaces', async () => {
  const path = await newCollection();
  const items = await Promise.all([0, 1, 2, 3].map(async (index) => ({ id: `photo-${index}`, images: [{ base64: await photo(index) }] })));
  await api().post(`${path}/items:upsert`, { items }).expect(200);

  const answer = await api().post(`${path}/search`, { query: { image: { base64: await photoVariant(2) } }, limit: 2 }).expect(200);
  expect(answer.body.hits[0]).toMatchObject({ id: 'photo-2', space: 'image', part: 0 });
  expect(answer.body.hits[0].score).toBeGreaterThan(answer.body.hits[1].score);

  await api()
    .post(`${path}/items:upsert`, {
      items: [
        { id: 'both', title: 'A note with pictures', images: [{ base64: await photo(4) }, { base64: await photo(5) }] },
        { id: 'its-text', title: 'Notes that have pictures' },
        { id: 'its-picture', images: [{ base64: await photoVariant(5) }] },
      ],
    })
    .expect(200);
  const [first, second] = await search(path, { query: { itemId: 'both' } });
  expect(new Set([first, second])).toEqual(new Set(['its-text', 'its-picture']));
});

it('shows an item and its pictures as they were written, and counts it', async () => {
  const path = await newCollection();
  const attributes = { tags: ['a', 'b'], price: 3.5, isNew: true, nested: { list: [null, { deep: 'x' }] } };
  await api().post(`${path}/items:upsert`, { items: [{ id: 'one', title: 'Title', body: 'Body', attributes, images: [{ base64: await photo(0) }] }] }).expect(200);

  const { body } = await api().get(`${path}/items/one`).expect(200);
  expect(body).toMatchObject({ id: 'one', title: 'Title', body: 'Body', attributes, images: [{ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }] });
  await vi.waitFor(async () => {
    const { body: collection } = await api().get(path).expect(200);
    expect(collection.statistics).toMatchObject({ items: 1, images: 1, upserts: 1, deletes: 0 });
  }, 10_000);
});

it('gives a picture back as it was written, to its tenant alone', async () => {
  const path = await newCollection();
  const files = [await photoBytes(0), await photoBytes(1)];
  await api().post(`${path}/items:upsert`, { items: [{ id: 'one', images: files.map((file) => ({ base64: file.toString('base64') })) }] }).expect(200);
  for (const [part, file] of files.entries()) {
    const { body, headers } = await api().get(`${path}/items/one/images/${part}`).responseType('blob').expect(200);
    expect(headers).toMatchObject({ 'content-type': 'image/jpeg', 'content-disposition': 'attachment', 'content-length': String(file.length) });
    expect(file.equals(body)).toBe(true);
  }
  const absent = await api().get(`${path}/items/one/images/2`).expect(404);
  expect(absent.body).toMatchObject({ type: '/problems/image-not-found', violations: [{ parameter: 'part' }] });
  await api('second').get(`${path}/items/one/images/0`).expect(404);
  await api('writer').get(`${path}/items/one/images/0`).expect(403);
  for (const part of ['32', '-1', 'x', '0.5']) await api().get(`${path}/items/one/images/${part}`).expect(400);
  await api().delete(`${path}/items/one`).expect(200);
  expect((await api().get(`${path}/items/one/images/0`).expect(404)).body.type).toBe('/problems/item-not-found');
});

it('shows category, author, time and parts, of which each has its vector', async () => {
  const path = await newCollection();
  const item = { id: 'one', title: 'A sign', category: 'city', author: 'ann', createdAt: '2020-02-29T12:30:00Z', images: [{ base64: await photo(0), ocrText: 'No parking' }] };
  await api().post(`${path}/items:upsert`, { items: [item] }).expect(200);
  const { body } = await api().get(`${path}/items/one`).expect(200);
  expect(body).toMatchObject({ category: 'city', author: 'ann', createdAt: item.createdAt, images: [{ ocrText: 'No parking' }] });
  expect(Date.parse(body.storedAt)).toBeGreaterThan(Date.parse('2026-01-01'));
  const { body: collection } = await api().get(path).expect(200);
  const [text, image] = collection.spaces;
  expect(text).toMatchObject({ name: 'text', kinds: ['text', 'ocr', 'note'], isOwn: false });
  expect(body.parts).toEqual([
    { space: 'image', kinds: ['image'], part: 0, modelVersion: image.modelVersion, isOwn: false },
    { space: 'text', kinds: ['text'], part: 0, modelVersion: text.modelVersion, isOwn: false },
    { space: 'text', kinds: ['ocr'], part: 0, modelVersion: text.modelVersion, isOwn: false },
    { space: 'text', kinds: ['note'], part: 0, modelVersion: text.modelVersion, isOwn: false },
  ]);
  await api().post(`${path}/items:upsert`, { items: [item] }).expect(200, { upserted: 0, unchanged: 1, position: 1 });
  await api().post(`${path}/items:upsert`, { items: [{ ...item, author: 'bob' }] }).expect(200, { upserted: 1, unchanged: 0, position: 2 });
});

it('finds items in a space of the caller’s own by the vectors that they bring', async () => {
  const path = await newCollection('first', { spaces: [{ name: 'joint', dimension: 3, modelVersion: 'my-clip@1' }] });
  const { body: collection } = await api().get(path).expect(200);
  const versions = [{ modelVersion: 'my-clip@1', dimension: 3, state: 'active' }];
  expect(collection.spaces).toEqual([{ name: 'joint', dimension: 3, modelVersion: 'my-clip@1', kinds: ['text', 'image', 'ocr', 'note'], isOwn: true, versions }]);
  const items = [
    { id: 'a', title: 'No vector of it is made here', vectors: { joint: { text: [2, 0, 0], image: [[0, 3, 0], [0, 0, 1]] } } },
    { id: 'b', vectors: { joint: { note: [1, 1, 0] } } },
  ];
  await api().post(`${path}/items:upsert`, { items }).expect(200);
  const { body: item } = await api().get(`${path}/items/a`).expect(200);
  expect(item.parts).toMatchObject([{ kinds: ['text'], isOwn: true }, { kinds: ['image'], part: 0 }, { kinds: ['image'], part: 1, modelVersion: 'my-clip@1' }]);
  const { body } = await api().post(`${path}/search`, { query: { vector: [0, 0.1, 5], space: 'joint' } }).expect(200);
  expect(body.hits).toMatchObject([{ id: 'a', part: 1 }, { id: 'b' }]);
  expect(await search(path, { query: { itemId: 'b' } })).toEqual(['a']);
  await api().post(`${path}/search`, { query: { text: 'anything' } }).expect(422);
  await api().post(`${path}/items:upsert`, { items: [{ id: 'c', title: 'It brings no vector' }] }).expect(400);
});

it('writes nothing twice: an equal item stays as it is, a changed one is replaced', async () => {
  const path = await newCollection();
  const item = { id: 'one', title: 'The first title', attributes: { a: 1, b: { c: 2, d: 3 } } };
  await api().post(`${path}/items:upsert`, { items: [item] }).expect(200, { upserted: 1, unchanged: 0, position: 1 });
  const reordered = { attributes: { b: { d: 3, c: 2 }, a: 1 }, title: 'The first title', id: 'one' };
  await api().post(`${path}/items:upsert`, { items: [reordered] }).expect(200, { upserted: 0, unchanged: 1, position: 1 });
  await api().post(`${path}/items:upsert`, { items: [{ ...item, attributes: { a: 2 } }] }).expect(200, { upserted: 1, unchanged: 0, position: 2 });

  expect(await search(path, { query: { text: 'title' }, filter: { all: [{ field: 'a', equals: 1 }] } })).toEqual([]);
  expect(await search(path, { query: { text: 'title' }, filter: { all: [{ field: 'a', equals: 2 }] } })).toEqual(['one']);
  await vi.waitFor(async () => {
    const { body } = await api().get(path).expect(200);
    expect(body.statistics).toMatchObject({ items: 1, upserts: 2 });
  }, 10_000);
});

it('never finds what was deleted, and finds it when it comes back', async () => {
  const path = await newCollection();
  const items = ['one', 'two', 'three'].map((id) => ({ id, title: `Number ${id}` }));
  await api().post(`${path}/items:upsert`, { items }).expect(200);
  await api().delete(`${path}/items/two`).expect(200, { position: 2 });
  expect((await search(path, { query: { text: 'Number two' } })).sort()).toEqual(['one', 'three']);
  await api().get(`${path}/items/two`).expect(404);
  await api().delete(`${path}/items/two`).expect(404);
  await api().post(`${path}/items:upsert`, { items: [items[1]] }).expect(200, { upserted: 1, unchanged: 0, position: 3 });
  expect((await search(path, { query: { text: 'Number two' } }))[0]).toBe('two');
});

it('takes two identical writes at once as one', async () => {
  const path = await newCollection();
  const items = Array.from({ length: 20 }, (_, index) => ({ id: `item-${index}`, title: `Thought number ${index}` }));
  const answers = await Promise.all(Array.from({ length: 6 }, () => api().post(`${path}/items:upsert`, { items })));
  for (const { status, body } of answers) {
    expect(status).toBe(200);
    expect(body.upserted + body.unchanged).toBe(20);
  }
  expect((await search(path, { query: { text: 'thought' }, limit: 100 })).sort()).toEqual(items.map(({ id }) => id).sort());
  await vi.waitFor(async () => {
    const { body } = await api().get(path).expect(200);
    expect(body.statistics.items).toBe(20);
  }, 10_000);
});

it('a search with minPosition sees the write, and one for a write that never was says so', async () => {
  const path = await newCollection();
  const { body } = await api().post(`${path}/items:upsert`, { items: [{ id: 'one', title: 'Something' }] }).expect(200);
  expect(await search(path, { query: { text: 'something' }, minPosition: body.position })).toEqual(['one']);
  const refused = await api().post(`${path}/search`, { query: { text: 'something' }, minPosition: 99 }).expect(400);
  expect(refused.body.violations).toMatchObject([{ pointer: '/minPosition' }]);
});
