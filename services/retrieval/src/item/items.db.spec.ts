import type { MessageInitShape } from '@bufbuild/protobuf';
import { Reason } from '@touchstone/contracts';
import { ItemInputSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
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
});
beforeEach(async () => {
  collection = `items-${randomUUID()}`;
  await replica.collections.putCollection({ collection, spaces: [{ name: 'text' }, { name: 'image' }, { name: 'joint', dimension: 3, modelVersion: 'mine@1', kinds: ['note', 'image'] }] }, replica.options);
});
afterAll(async () => {
  await replica.stop();
  await owner.end();
  await database.drop();
});

const picture = (content: string, ocrText = '') => ({ source: { case: 'base64' as const, value: new TextEncoder().encode(content) }, ocrText });
const numbers = (...values: number[]) => ({ values: values.map((value) => ({ kind: { case: 'numberValue' as const, value } })) });

/** Writes one item. @returns what the models were asked for. */
async function write(item: MessageInitShape<typeof ItemInputSchema>): Promise<{ texts: string[]; images: string[] }> {
  const { texts, images } = replica.asked;
  texts.length = 0;
  images.length = 0;
  await replica.items.upsertItems({ collection, items: [item] }, replica.options);
  return { texts: texts.toSorted(), images: images.map((file) => new TextDecoder().decode(file)).toSorted() };
}

/** Parts as the item shows them, such as `text:ocr+note 1`. */
async function parts(id: string): Promise<string[]> {
  const item = await replica.items.getItem({ collection, id }, replica.options);
  return item.parts.map(({ space, kinds, part, isOwn }) => `${space}:${kinds.join('+')} ${part}${isOwn ? ' own' : ''}`);
}

it('embeds of a changed item only what changed', async () => {
  const item = { id: 'a', title: 'Title', body: 'Body', images: [picture('one', 'first words'), picture('two')] };
  expect(await write(item)).toEqual({ texts: ['Title\nBody', 'Title\nBody\nfirst words', 'first words'], images: ['one', 'two'] });
  expect(await parts('a')).toEqual(['image:image 0', 'image:image 1', 'text:text 0', 'text:ocr 0', 'text:note 0']);
  expect(await write(item)).toEqual({ texts: [], images: [] });
  expect(await write({ ...item, attributes: { x: 1 }, category: 'c' })).toEqual({ texts: [], images: [] });
  expect(await write({ ...item, images: [item.images[1], item.images[0]] })).toEqual({ texts: [], images: [] });
  expect(await write({ ...item, images: [...item.images, picture('three')] })).toEqual({ texts: [], images: ['three'] });
  expect(await write({ ...item, images: [picture('one', 'other words'), picture('two')] })).toEqual({ texts: ['Title\nBody\nother words', 'other words'], images: [] });
  expect(await write({ ...item, title: 'New title' })).toEqual({ texts: ['New title\nBody', 'New title\nBody\nfirst words', 'first words'], images: [] });
});

it('has one vector for a text that is the whole note, and asks for equal contents once', async () => {
  expect(await write({ id: 'a', title: 'Alone' })).toEqual({ texts: ['Alone'], images: [] });
  expect(await parts('a')).toEqual(['text:text+note 0']);
  expect(await write({ id: 'b', images: [picture('same', 'same words'), picture('same', 'same words')] })).toEqual({ texts: ['same words', 'same words\nsame words'], images: ['same'] });
  expect(await write({ id: 'c', images: [picture('blank'), picture('sign', 'the only words')] })).toEqual({ texts: ['the only words'], images: ['blank', 'sign'] });
  expect(await parts('c')).toEqual(['image:image 0', 'image:image 1', 'text:ocr+note 1']);
});

it('takes vectors of the caller’s own instead of embedding, and embeds when they are gone', async () => {
  const text = Array.from({ length: 16 }, (_, index) => (index === 3 ? 2 : 0));
  const item = { id: 'a', title: 'Title', images: [picture('one'), picture('two')] };
  expect(await write({ ...item, vectors: { text: { text }, image: { image: [numbers(), numbers(...text)] }, joint: { note: [0, 1, 0] } } })).toEqual({ texts: [], images: ['one'] });
  expect(await parts('a')).toEqual(['image:image 0', 'image:image 1 own', 'joint:note 0 own', 'text:text+note 0 own']);
  const { hits } = await replica.searches.search({ collection, query: { vector: text, space: 'text' } }, replica.options);
  expect(hits).toMatchObject([{ id: 'a', score: 1 }]);
  expect(await write(item)).toEqual({ texts: ['Title'], images: ['two'] });
  expect(await parts('a')).toEqual(['image:image 0', 'image:image 1', 'text:text+note 0']);
});

it('keeps the time of the first write for who does not say when its content is from', async () => {
  const read = () => replica.items.getItem({ collection, id: 'a' }, replica.options);
  await write({ id: 'a', title: 'One' });
  const first = await read();
  await write({ id: 'a', title: 'Two' });
  const second = await read();
  expect(second.createdAt).toEqual(first.createdAt);
  expect(second.storedAt).toEqual(first.createdAt);
  expect(second.updatedAt).not.toEqual(first.updatedAt);
  await write({ id: 'a', title: 'Two', createdAt: { seconds: -62135596800n, nanos: 0 } });
  expect(await read()).toMatchObject({ createdAt: { seconds: -62135596800n }, storedAt: first.storedAt });
});

async function kept(): Promise<string[]> {
  const { rows } = await owner.query(`select convert_from(file, 'UTF8') as file from retrieval.picture where tenant_id = $1 order by 1`, [replica.tenant.id]);
  return rows.map(({ file }) => file);
}

it('keeps each picture once, as long as an item of any collection shows it', async () => {
  const before = await kept();
  const others = async () => (await kept()).filter((file) => !before.includes(file));
  await write({ id: 'a', images: [picture('shared'), picture('only a')] });
  await write({ id: 'b', images: [picture('shared'), picture('shared')] });
  expect(await others()).toEqual(['only a', 'shared']);
  await write({ id: 'a', images: [picture('shared'), picture('new a')] });
  expect(await others()).toEqual(['new a', 'shared']);
  const first = collection;
  collection = `items-${randomUUID()}`;
  await replica.collections.putCollection({ collection }, replica.options);
  await write({ id: 'a', images: [picture('shared')] });
  await replica.items.deleteItem({ collection: first, id: 'a' }, replica.options);
  await replica.items.deleteItem({ collection: first, id: 'b' }, replica.options);
  expect(await others()).toEqual(['shared']);
  await replica.items.deleteItem({ collection, id: 'a' }, replica.options);
  expect(await others()).toEqual([]);
});

it('loses no picture and keeps none too many while collections write, change and delete the same ones at once', async () => {
  const collections = Array.from({ length: 4 }, () => `items-${randomUUID()}`);
  for (const name of collections) await replica.collections.putCollection({ collection: name, spaces: [{ name: 'image' }] }, replica.options);
  const names = ['p0', 'p1', 'p2'];
  await Promise.all(
    collections.map(async (name, worker) => {
      for (let round = 0; round < 30; round++) {
        const [first, second] = [names[(round + worker) % 3], names[(round * worker) % 3]];
        await replica.items.upsertItems({ collection: name, items: [{ id: 'x', images: [picture(first), picture(second)] }] }, replica.options);
        if (round % 3 === 2) await replica.items.deleteItem({ collection: name, id: 'x' }, replica.options);
      }
      await replica.items.upsertItems({ collection: name, items: [{ id: 'x', images: [picture(`p${worker % 2}`)] }] }, replica.options);
    }),
  );
  const ours = () => kept().then((files) => files.filter((file) => names.includes(file)));
  expect(await ours()).toEqual(['p0', 'p1']);
  for (const name of collections) await replica.items.deleteItem({ collection: name, id: 'x' }, replica.options);
  expect(await ours()).toEqual([]);
});

it('gives a picture back, or says what is not there', async () => {
  await write({ id: 'a', images: [picture('first'), picture('second')] });
  const image = (id: string, part: number, name = collection) => replica.items.getItemImage({ collection: name, id, part }, replica.options);
  const { contentType, data } = await image('a', 1);
  expect([contentType, new TextDecoder().decode(data)]).toEqual(['application/octet-stream', 'second']);
  await expect(image('a', 2)).rejects.toMatchObject({ reason: Reason.IMAGE_NOT_FOUND, message: 'The item a has no picture 2: it has 2, counted from 0.' });
  await expect(image('b', 0)).rejects.toMatchObject({ reason: Reason.ITEM_NOT_FOUND });
  await expect(image('a', 0, 'nowhere')).rejects.toMatchObject({ reason: Reason.COLLECTION_NOT_FOUND });
});

it('shows pictures of a tenant to no other', async () => {
  await write({ id: 'a', images: [picture('private')] });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query('begin');
    await client.query(`select set_config('app.tenant', $1, true)`, [randomUUID()]);
    expect((await client.query('select * from retrieval.picture')).rows).toEqual([]);
    await client.query('rollback');
  } finally {
    await client.end();
  }
});
