import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { api, newCollection, search } from './api.ts';
import { photo, photoBytes } from './photos.ts';
import { sendBytes } from './send-bytes.ts';

const good = { id: 'good', title: 'A good item' };

describe('a batch with one bad item is refused as a whole and names the item', () => {
  it.each<[string, object, number, string, string]>([
    ['an id twice', { id: 'good', title: 'again' }, 400, '/problems/invalid-request', '/items/1/id'],
    ['an id with a colon', { id: 'a:b', title: 'x' }, 400, '/problems/invalid-request', '/items/1/id'],
    ['an unknown field', { id: 'b', titel: 'x' }, 400, '/problems/invalid-request', '/items/1/titel'],
    ['a wrong type', { id: 'b', title: 5 }, 400, '/problems/invalid-request', '/items/1/title'],
    ['a null', { id: 'b', title: null }, 400, '/problems/invalid-request', '/items/1/title'],
    ['nothing to embed', { id: 'b' }, 400, '/problems/invalid-request', '/items/1'],
    ['a title too long', { id: 'b', title: 'x'.repeat(1001) }, 400, '/problems/invalid-request', '/items/1/title'],
    ['attributes too large', { id: 'b', title: 'x', attributes: { a: 'x'.repeat(20_000) } }, 400, '/problems/invalid-request', '/items/1/attributes'],
    ['a NUL character', { id: 'b', title: 'x\0y' }, 400, '/problems/invalid-request', '/items/1/title'],
    ['a picture without source', { id: 'b', images: [{}] }, 400, '/problems/invalid-request', '/items/1/images/0'],
    ['an author too long', { id: 'b', title: 'x', author: 'x'.repeat(201) }, 400, '/problems/invalid-request', '/items/1/author'],
    ['a time that is none', { id: 'b', title: 'x', createdAt: '2026-02-31T25:00:00Z' }, 400, '/problems/invalid-request', '/items/1/createdAt'],
    ['an attribute called like a field', { id: 'b', title: 'x', attributes: { createdAt: 5 } }, 400, '/problems/invalid-request', '/items/1/attributes/createdAt'],
    ['a text of a picture too long', { id: 'b', images: [{ base64: 'aGVsbG8=', ocrText: 'x'.repeat(20_001) }] }, 400, '/problems/invalid-request', '/items/1/images/0/ocrText'],
    ['a vector of a space that is not there', { id: 'b', vectors: { other: { text: [1] } } }, 422, '/problems/space-not-found', '/items/1/vectors/other'],
    ['a vector of a kind that the space lacks', { id: 'b', vectors: { text: { image: [[1]] } } }, 400, '/problems/invalid-request', '/items/1/vectors/text/image'],
    ['a vector of the wrong dimension', { id: 'b', vectors: { text: { text: [1, 2] } } }, 422, '/problems/wrong-dimension', '/items/1/vectors/text/text'],
    ['a vector of zeros', { id: 'b', vectors: { text: { note: Array(384).fill(0) } } }, 400, '/problems/invalid-request', '/items/1/vectors/text/note'],
    ['NaN in a vector', { id: 'b', vectors: { text: { text: ['NaN', ...Array(383).fill(1)] } } }, 400, '/problems/invalid-request', '/items/1/vectors/text/text/0'],
    ['NaN in a vector of a picture', { id: 'b', vectors: { image: { image: [['NaN', ...Array(383).fill(1)]] } } }, 400, '/problems/invalid-request', '/items/1/vectors/image/image/0/0'],
    ['vectors for another number of pictures', { id: 'b', images: [{ base64: 'aGVsbG8=' }], vectors: { image: { image: [[], []] } } }, 400, '/problems/invalid-request', '/items/1/vectors/image/image'],
    ['a picture that is none', { id: 'b', images: [{ base64: 'aGVsbG8=' }] }, 422, '/problems/picture-refused', '/items/1/images/0/base64'],
  ])('%s', async (_, bad, status, type, pointer) => {
    const path = await newCollection();
    const { body } = await api().post(`${path}/items:upsert`, { items: [good, bad] }).expect(status);
    expect(body.type).toBe(type);
    expect(body.violations.map((violation: { pointer: string }) => violation.pointer)).toContain(pointer);
    expect(await search(path, { query: { text: 'good' } })).toEqual([]);
    await api().get(`${path}/items/good`).expect(404);
  });
});

describe('pictures', () => {
  it('refuses a truncated one', async () => {
    const path = await newCollection();
    const cut = (await photoBytes(0)).subarray(0, 2000).toString('base64');
    const { body } = await api().post(`${path}/items:upsert`, { items: [{ id: 'a', images: [{ base64: cut }] }] }).expect(422);
    expect(body.violations[0].pointer).toBe('/items/0/images/0/base64');
  });

  it('refuses one of more than 40 megapixels, however small its file is, and lives on', async () => {
    const path = await newCollection();
    const bomb = await sharp({ create: { width: 8000, height: 6000, channels: 3, background: 'red' } }).png({ compressionLevel: 9 }).toBuffer();
    const items = [{ id: 'a', images: [{ base64: await photo(0) }, { base64: bomb.toString('base64') }] }];
    const { body } = await api().post(`${path}/items:upsert`, { items }).expect(422);
    expect(body.violations[0].pointer).toBe('/items/0/images/1/base64');
    await api().post(`${path}/items:upsert`, { items: [{ id: 'a', images: [{ base64: await photo(0) }] }] }).expect(200);
  });

  it.each<[string, () => Promise<Buffer>]>([
    ['a drawing with a script', async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>')],
    ['a page behind a picture', async () => Buffer.concat([await photoBytes(0), Buffer.from('<html><script>alert(1)</script></html>')])],
    ['an archive behind a picture', async () => Buffer.concat([await photoBytes(0), Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1')])],
  ])('refuses %s, also where no picture is embedded', async (_, make) => {
    const file = (await make()).toString('base64');
    for (const spaces of [[], [{ name: 'text' }]]) {
      const path = await newCollection('first', { spaces });
      const items = [good, { id: 'a', title: 'A', images: [{ base64: await photo(1) }, { base64: file }] }];
      const answer = await api().post(`${path}/items:upsert`, { items }).expect(422);
      expect(answer.body).toMatchObject({ type: '/problems/picture-refused', violations: [{ pointer: '/items/1/images/1/base64' }] });
      await api().get(`${path}/items/good`).expect(404);
    }
  });

  it('refuses an animation', async () => {
    const path = await newCollection();
    const frames = [0, 120].map((shade) => sharp({ create: { width: 8, height: 8, channels: 3, background: { r: shade, g: 0, b: 0 } } }).png().toBuffer());
    const file = await sharp(await Promise.all(frames), { join: { animated: true } }).gif().toBuffer();
    const { body } = await api().post(`${path}/items:upsert`, { items: [{ id: 'a', images: [{ base64: file.toString('base64') }] }] }).expect(422);
    expect(body.violations).toMatchObject([{ pointer: '/items/0/images/0/base64', detail: expect.stringContaining('animated') }]);
  });

  it.each(['http://169.254.169.254/latest/meta-data', 'https://localhost/a.png', 'https://[::ffff:10.0.0.1]/a.png', 'file:///etc/passwd'])('fetches none from %s', async (url) => {
    const path = await newCollection();
    const { body } = await api().post(`${path}/items:upsert`, { items: [good, { id: 'a', images: [{ url }] }] }).expect(422);
    expect(body.violations[0].pointer).toBe('/items/1/images/0/url');
    await api().get(`${path}/items/good`).expect(404);
  });

  it('refuses more than 32 in a request', async () => {
    const path = await newCollection();
    const images = Array.from({ length: 17 }, () => ({ base64: 'aGVsbG8=' }));
    const { body } = await api().post(`${path}/items:upsert`, { items: [{ id: 'a', images }, { id: 'b', images }] }).expect(400);
    expect(body.detail).toContain('32');
  });
});

describe('spaces', () => {
  const own = { name: 'joint', dimension: 2, modelVersion: 'mine@1' };

  it.each<[string, object[], string]>([
    ['a name that is none', [{ ...own, name: 'Joint' }], '/spaces/0/name'],
    ['no dimension', [{ name: 'joint', modelVersion: 'mine@1' }], '/spaces/0/dimension'],
    ['a dimension of 4097', [{ ...own, dimension: 4097 }], '/spaces/0/dimension'],
    ['a joint space without a joint model', [{ name: 'text' }, { name: 'joint' }], '/spaces/1/name'],
    ['no model version', [{ name: 'text' }, { name: 'joint', dimension: 2 }], '/spaces/1/modelVersion'],
    ['a kind that is none', [{ ...own, kinds: ['video'] }], '/spaces/0/kinds/0'],
    ['a space twice', [own, { name: 'text' }, own], '/spaces/2/name'],
    ['another model for a space of the platform’s', [{ name: 'text', modelVersion: 'mine@1' }], '/spaces/0/modelVersion'],
    ['five', ['a', 'b', 'c', 'd', 'e'].map((name) => ({ ...own, name })), '/spaces'],
    ['names alone, as before', ['text' as never], '/spaces/0'],
  ])('%s', async (_, spaces, pointer) => {
    const path = `/v1/collections/test-${randomUUID()}`;
    const { body } = await api().put(path, { spaces }).expect(400);
    expect(body.violations[0].pointer).toBe(pointer);
    await api().get(path).expect(404);
  });
});

describe('bodies', () => {
  const target = '/v1/collections/whatever/search';

  it.each([
    ['no JSON', Buffer.from('{"query": '), 400],
    ['an empty body', Buffer.from(''), 400],
    ['null', Buffer.from('null'), 400],
    ['a list', Buffer.from('[]'), 400],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 400],
    ['a name __proto__', Buffer.from('{"query":{"text":"x"},"__proto__":{"a":1}}'), 400],
    ['JSON 100,000 levels deep', Buffer.from(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), 400],
    ['objects 100,000 levels deep', Buffer.from(`${'{"filter":'.repeat(100_000)}1${'}'.repeat(100_000)}`), 400],
  ])('%s is a 4xx that says why', async (_, bytes, status) => {
    const answer = await sendBytes(target, bytes);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ type: '/problems/invalid-request', status });
  });

  it('refuses a body of 100 MB by its announced length', async () => {
    const answer = await sendBytes(target, Buffer.from('{'), { 'content-length': String(100 * 1024 * 1024) });
    expect(answer).toMatchObject({ status: 413, body: { type: '/problems/body-too-large' } });
  });

  it('refuses a body of 100 MB that comes in chunks, without taking it all', async () => {
    let left = 100;
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    const answer = await sendBytes(target, (write) => left-- > 0 && write(chunk), { 'transfer-encoding': 'chunked' });
    expect(answer).toMatchObject({ status: 413, body: { type: '/problems/body-too-large' } });
    expect(left).toBeGreaterThan(40);
  });

  it('refuses another media type', async () => {
    const answer = await sendBytes(target, Buffer.from('a=b'), { 'content-type': 'application/x-www-form-urlencoded' });
    expect(answer).toMatchObject({ status: 415, body: { type: '/problems/unsupported-media-type' } });
  });
});

describe('searches', () => {
  it.each<[string, object, number, string, string | undefined]>([
    ['no query', {}, 400, '/problems/invalid-request', '/query'],
    ['an empty query', { query: {} }, 400, '/problems/invalid-request', '/query'],
    ['two queries', { query: { text: 'a', itemId: 'b' } }, 400, '/problems/invalid-request', '/query'],
    ['limit 0', { query: { text: 'a' }, limit: 0 }, 400, '/problems/invalid-request', '/limit'],
    ['limit 1001', { query: { text: 'a' }, limit: 1001 }, 400, '/problems/invalid-request', '/limit'],
    ['a vector without space', { query: { vector: [1, 2] } }, 400, '/problems/invalid-request', '/query/space'],
    ['a vector too short', { query: { vector: [1, 2], space: 'text' } }, 422, '/problems/wrong-dimension', '/query/vector'],
    ['a vector of zeros', { query: { vector: Array(384).fill(0), space: 'text' } }, 400, '/problems/invalid-request', '/query/vector'],
    ['a number beyond float', { query: { vector: [1e39], space: 'text' } }, 400, '/problems/invalid-request', '/query/vector/0'],
    ['a text in the space of pictures', { query: { text: 'a', space: 'image' } }, 422, '/problems/no-joint-space', '/query/text'],
    ['an item that is not there', { query: { itemId: 'nobody' } }, 404, '/problems/item-not-found', '/query/itemId'],
    ['a space that is not there', { query: { text: 'a', space: 'joint' } }, 422, '/problems/space-not-found', '/query/space'],
    ['an unknown task', { query: { text: 'a' }, task: 'text-to-video' }, 400, '/problems/invalid-request', '/task'],
    ['a task for another kind of query', { query: { text: 'a' }, task: 'ocr-to-note' }, 400, '/problems/invalid-request', '/task'],
    ['a cursor that no search gave', { query: { text: 'a' }, cursor: 'bm9uc2Vuc2U' }, 400, '/problems/invalid-request', '/cursor'],
    ['more dimensions than there are', { query: { text: 'a' }, dimensions: 385 }, 422, '/problems/dimensions-refused', '/dimensions'],
    ['no positive example', { query: { examples: { negative: [{ text: 'a' }] } } }, 400, '/problems/invalid-request', '/query/examples/positive'],
    ['an example of two', { query: { examples: { positive: [{ text: 'a', itemId: 'b' }] } } }, 400, '/problems/invalid-request', '/query/examples/positive/0'],
    ['a note of nothing', { query: { note: {} } }, 400, '/problems/invalid-request', '/query/note'],
    ['more than 100 whole items', { query: { text: 'a' }, withItems: true, limit: 101 }, 400, '/problems/invalid-request', '/limit'],
    ['a filter on an object', { query: { text: 'a' }, filter: { all: [{ field: 'a', equals: { b: 1 } }] } }, 400, '/problems/invalid-request', '/filter/all/0/equals'],
    ['a filter without operator', { query: { text: 'a' }, filter: { all: [{ field: 'a' }] } }, 400, '/problems/invalid-request', '/filter/all/0'],
    ['a filter of nothing', { query: { text: 'a' }, filter: {} }, 400, '/problems/invalid-request', '/filter'],
    ['a filter without field', { query: { text: 'a' }, filter: { not: { equals: 1 } } }, 400, '/problems/invalid-request', '/filter/not/field'],
    ['a filter on an unknown field', { query: { text: 'a' }, filter: { field: 'categroy', equals: 'a' } }, 422, '/problems/unknown-field', '/filter/field'],
    ['a range with two lower ends', { query: { text: 'a' }, filter: { field: 'a', range: { gt: 1, gte: 2 } } }, 400, '/problems/invalid-request', '/filter/range'],
    ['facets of an unknown field', { query: { text: 'a' }, facets: ['nothing'] }, 422, '/problems/unknown-field', '/facets/0'],
    ['groups of an unknown field', { query: { text: 'a' }, groupBy: 'nothing' }, 422, '/problems/unknown-field', '/groupBy'],
  ])('%s is refused', async (_, body, status, type, pointer) => {
    const path = await newCollection();
    await api().post(`${path}/items:upsert`, { items: [good] }).expect(200);
    const answer = await api().post(`${path}/search`, body).expect(status);
    expect(answer.body.type).toBe(type);
    if (pointer) expect(answer.body.violations[0].pointer).toBe(pointer);
  });

  it('a collection with other spaces is a conflict, an unknown path 404, another method 405', async () => {
    const path = await newCollection('first', { spaces: [{ name: 'text' }] });
    await api().put(path, { spaces: [{ name: 'text' }] }).expect(200);
    await api().put(path, {}).expect(409);
    await api().post(`${path}/search`, { query: { image: { base64: await photo(0) } } }).expect(422);
    await api().get('/v1/nothing').expect(404);
    const { headers } = await api().get(`${path}/items:upsert`).expect(405);
    expect(headers.allow).toContain('POST');
  });
});
