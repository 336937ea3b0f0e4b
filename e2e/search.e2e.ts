import { describe, expect, it } from 'vitest';
import { api, newCollection, search } from './api.ts';
import { photo, photoVariant } from './photos.ts';

const axis = (index: number, tilt = 0) => Array.from({ length: 8 }, (_, each) => (each === index ? 1 : each === (index + 1) % 8 ? tilt : 0));

/** Three notes in a space whose vectors the test brings: parts of the same note point the same way. */
async function jointCollection(): Promise<string> {
  const path = await newCollection('first', { spaces: [{ name: 'text' }, { name: 'joint', dimension: 8, modelVersion: 'test-clip@1' }] });
  const items = ['cat', 'dog', 'owl'].map((id, index) => ({
    id,
    title: `A note about a ${id}`,
    category: index < 2 ? 'pets' : 'birds',
    author: 'ada',
    createdAt: `2026-01-0${index + 1}T00:00:00Z`,
    attributes: { legs: index < 2 ? 4 : 2 },
    vectors: { joint: { text: axis(index, 0.1), note: axis(index, 0.2), image: [axis(index, 0.3), axis(index, -0.3)], ocr: [axis(index, 0.4), []] } },
  }));
  await api().post(`${path}/items:upsert`, { items }).expect(200);
  return path;
}

const tasks = ['image-to-text', 'text-to-image', 'image-to-note', 'text-to-note', 'note-to-image', 'note-to-text', 'image-to-ocr', 'ocr-to-image', 'ocr-to-note', 'note-to-note'];

describe('with a space that joins all kinds', () => {
  it.each(tasks)('%s finds the part of the other kind', async (task) => {
    const path = await jointCollection();
    const kind = task.split('-').at(-1);
    const byItem = await api().post(`${path}/search`, { query: { itemId: 'dog', space: 'joint' }, task, excludeSelf: false, explain: true }).expect(200);
    expect(byItem.body.hits).toHaveLength(3);
    expect(byItem.body.hits[0]).toMatchObject({ id: 'dog', space: 'joint', kinds: [kind], explanation: { matches: [{ space: 'joint', modelVersion: 'test-clip@1', kinds: [kind], rank: 1 }] } });
    expect(byItem.body.explanation).toMatchObject({ position: 1, spaces: [{ space: 'joint', dimensions: 8, kinds: [kind], route: 'exact' }] });
    const byVector = await api().post(`${path}/search`, { query: { vector: axis(2), space: 'joint' }, task, limit: 1 }).expect(200);
    expect(byVector.body.hits).toMatchObject([{ id: 'owl', kinds: [kind] }]);
    expect(byVector.body.nextCursor).toEqual(expect.any(String));
  });

  it('says what would be needed where none joins the kinds, or none embeds the query', async () => {
    const path = await newCollection();
    await api().post(`${path}/items:upsert`, { items: [{ id: 'a', title: 'A text', images: [{ base64: await photo(0) }] }] }).expect(200);
    const { body } = await api().post(`${path}/search`, { query: { itemId: 'a' }, task: 'image-to-text' }).expect(422);
    expect(body).toMatchObject({ type: '/problems/no-joint-space', violations: [{ pointer: '/query/itemId', detail: 'needs a space that holds the kinds image and text' }] });
    const own = await jointCollection();
    const text = await api().post(`${own}/search`, { query: { text: 'a cat' }, task: 'text-to-image' }).expect(422);
    expect(text.body).toMatchObject({ type: '/problems/no-joint-space', violations: [{ pointer: '/query/text', detail: expect.stringContaining('ask with a vector or an item') }] });
  });

  it('pages, groups, filters, counts and brings items in one call', async () => {
    const path = await jointCollection();
    const request = {
      query: { vector: axis(0), space: 'joint' },
      filter: { any: [{ field: 'legs', range: { gte: 4 } }, { not: { field: 'createdAt', range: { lt: '2026-01-03T00:00:00Z' } } }] },
      groupBy: 'category',
      facets: ['category', 'legs'],
      withItems: true,
      limit: 1,
    };
    const first = await api().post(`${path}/search`, request).expect(200);
    expect(first.body.hits).toMatchObject([{ id: 'cat', group: 'pets', item: { id: 'cat', title: 'A note about a cat', category: 'pets', createdAt: '2026-01-01T00:00:00Z' } }]);
    expect(first.body.facets).toEqual([
      { field: 'category', values: [{ value: 'pets', items: 2 }, { value: 'birds', items: 1 }] },
      { field: 'legs', values: [{ value: 4, items: 2 }, { value: 2, items: 1 }] },
    ]);
    const second = await api().post(`${path}/search`, { ...request, cursor: first.body.nextCursor }).expect(200);
    expect(second.body.hits).toMatchObject([{ id: 'owl', group: 'birds' }]);
    expect(second.body).not.toHaveProperty('nextCursor');
    const misused = await api().post(`${path}/search`, { ...request, groupBy: 'author', cursor: first.body.nextCursor }).expect(400);
    expect(misused.body).toMatchObject({ type: '/problems/invalid-request', violations: [{ pointer: '/cursor' }] });
    const misspelt = await api().post(`${path}/search`, { ...request, filter: { field: 'leggs', equals: 4 } }).expect(422);
    expect(misspelt.body).toMatchObject({ type: '/problems/unknown-field', violations: [{ pointer: '/filter/field', detail: 'did you mean legs?' }] });
  });

  it('moves from what is liked away from what is not', async () => {
    const path = await jointCollection();
    const examples = { positive: [{ itemId: 'cat' }], negative: [{ vector: axis(2) }] };
    expect(await search(path, { query: { examples, space: 'joint' } })).toEqual(['dog', 'owl']);
    expect(await search(path, { query: { examples, space: 'joint' }, excludeSelf: false })).toEqual(['cat', 'dog', 'owl']);
  });
});

describe('with the platform’s models', () => {
  it('finds the text in a picture by a text, and by another picture’s text', async () => {
    const path = await newCollection();
    const items = [
      { id: 'screenshot', title: 'Holiday', images: [{ base64: await photo(0), ocrText: 'Your parcel arrives tomorrow between nine and eleven' }] },
      { id: 'menu', title: 'Holiday', images: [{ base64: await photo(1) }, { base64: await photo(2), ocrText: 'Soup of the day, bread and butter' }] },
    ];
    await api().post(`${path}/items:upsert`, { items }).expect(200);
    const byText = await api().post(`${path}/search`, { query: { text: 'when will the package be delivered?' }, limit: 1 }).expect(200);
    expect(byText.body.hits).toMatchObject([{ id: 'screenshot', space: 'text' }]);
    const byOcr = await api().post(`${path}/search`, { query: { ocrText: 'bread and soup' }, groupBy: 'part', limit: 1 }).expect(200);
    expect(byOcr.body.hits).toMatchObject([{ id: 'menu', kinds: ['ocr'], part: 1 }]);
    expect(await search(path, { query: { ocrText: 'bread and soup' }, task: 'ocr-to-note' })).toEqual(['menu', 'screenshot']);
  });

  it('finds notes like a note that is none yet, by text and pictures fused', async () => {
    const path = await newCollection();
    const items = [
      { id: 'its-text', title: 'Mending a flat tyre by the road' },
      { id: 'its-picture', title: 'Nothing of the kind', images: [{ base64: await photo(4) }] },
      { id: 'both', title: 'How I mended my tyre', images: [{ base64: await photo(4) }] },
      { id: 'neither', title: 'Scones in twenty minutes', images: [{ base64: await photo(7) }] },
    ];
    await api().post(`${path}/items:upsert`, { items }).expect(200);
    const query = { note: { title: 'Mending a tyre', images: [{ base64: await photoVariant(4) }] } };
    const { body } = await api().post(`${path}/search`, { query, explain: true }).expect(200);
    expect(body.hits[0].id).toBe('both');
    const { matches, fused } = body.hits[0].explanation;
    expect(matches.map(({ space }: { space: string }) => space)).toEqual(['text', 'image']);
    expect(fused).toBeCloseTo(matches.reduce((sum: number, { rank }: { rank: number }) => sum + 1 / (60 + rank), 0), 12);
    expect(body.explanation.spaces.map(({ space }: { space: string }) => space)).toEqual(['text', 'image']);

    const whole = await search(path, { query, limit: 100 });
    const pages: string[] = [];
    for (let cursor: string | undefined, page = 0; page === 0 || cursor; page++) {
      const answer = await api().post(`${path}/search`, { query, limit: 1, cursor }).expect(200);
      pages.push(...answer.body.hits.map(({ id }: { id: string }) => id));
      cursor = answer.body.nextCursor;
    }
    expect(pages).toEqual(whole);
  });

  it('compares prefixes of vectors, and refuses too few for OCR', async () => {
    const path = await newCollection();
    const items = ['Mending a flat tyre', 'Baking rye bread', 'Growing tomatoes'].map((title, index) => ({ id: `n${index}`, title }));
    await api().post(`${path}/items:upsert`, { items }).expect(200);
    expect((await search(path, { query: { text: 'a puncture of my bicycle tyre' }, dimensions: 128 }))[0]).toBe('n0');
    const { body } = await api().post(`${path}/search`, { query: { ocrText: 'tyre' }, dimensions: 128 }).expect(422);
    expect(body).toMatchObject({ type: '/problems/dimensions-refused', violations: [{ pointer: '/dimensions', detail: 'expected at least 384, got 128' }] });
  });
});
