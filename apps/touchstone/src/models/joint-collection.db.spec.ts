import { LocalChannel, serviceClient } from '@touchstone/contracts';
import { OperationService } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { CollectionService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/collection_pb';
import { ItemService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { ModelVersionService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/model_version_pb';
import { SearchService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { connectModels, type Models } from '@touchstone/models';
import { start } from '@touchstone/retrieval';
import { seededRandom } from '@touchstone/runtime/random';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTinyJoint, type TinyJoint } from './tiny-joint.ts';

// The whole path with a model whose texts and pictures share a space: contract, tokens and picture processes, model-server,
// PostgreSQL, index, search; compared with a loop over vectors that are made here of parts that are cut here.

const seed = 20_261_124;
const random = seededRandom(seed);
const collection = 'joint';
const kinds = ['text', 'image', 'ocr', 'note'] as const;
type Kind = (typeof kinds)[number];

interface Note {
  readonly id: string;
  readonly title: string;
  readonly images: readonly { readonly file: Uint8Array; readonly ocrText: string }[];
}

const words = ['a', 'photo', 'of', 'cat', 'cats', 'red', 'train', 'station', 'blue', 'house', 'tree', 'dog'];
const phrase = () => Array.from({ length: 2 + Math.floor(random() * 4) }, () => words[Math.floor(random() * words.length)]).join(' ');

/** A few boxes of colour. */
async function picture(): Promise<Uint8Array> {
  const colour = () => ({ r: Math.floor(random() * 256), g: Math.floor(random() * 256), b: Math.floor(random() * 256) });
  const [width, height] = [240 + Math.floor(random() * 120), 240 + Math.floor(random() * 120)];
  const box = () => ({ input: { create: { width: 60 + Math.floor(random() * 100), height: 60 + Math.floor(random() * 100), channels: 3 as const, background: colour() } }, left: Math.floor(random() * 100), top: Math.floor(random() * 100) });
  return sharp({ create: { width, height, channels: 3, background: colour() } }).composite([box(), box(), box()]).png().toBuffer();
}

async function note(id: string, pictures: number): Promise<Note> {
  const images = [];
  for (let at = 0; at < pictures; at++) images.push({ file: await picture(), ocrText: at % 2 === 0 ? phrase() : '' });
  return { id, title: phrase(), images };
}

interface Row {
  readonly id: string;
  readonly kind: Kind;
  readonly vector: Float32Array;
}

let database: TestDatabase;
let tiny: TinyJoint;
let service: Awaited<ReturnType<typeof startService>>;
let notes: Note[];
let rows: Row[];
let asked: Note;
let askedRows: Row[];

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, at) => sum + value * b[at], 0);
const unit = (values: readonly number[]) => Float32Array.from(values, (value) => value / Math.hypot(...values));
const textVector = async (text: string) => (await tiny.models.joints[0].embed([{ text, pictures: [] }]))[0];
const pictureVector = async (file: Uint8Array) => (await tiny.models.joints[0].embed([{ text: '', pictures: [file] }]))[0];

/** Each part by itself, and the note as half of its texts and half of its pictures: docs/decisions/0025. */
async function rowsOf({ id, title, images }: Note): Promise<Row[]> {
  const parts: Row[] = [{ id, kind: 'text', vector: await textVector(title) }];
  const pictures: Float32Array[] = [];
  for (const { file, ocrText } of images) {
    pictures.push(await pictureVector(file));
    parts.push({ id, kind: 'image', vector: pictures.at(-1)! });
    if (ocrText) parts.push({ id, kind: 'ocr', vector: await textVector(ocrText) });
  }
  const all = await textVector([title, ...images.map(({ ocrText }) => ocrText)].filter(Boolean).join('\n'));
  const mean = pictures.length > 0 ? unit([...pictures[0]].map((_, at) => pictures.reduce((sum, vector) => sum + vector[at], 0))) : undefined;
  return [...parts, { id, kind: 'note', vector: mean ? unit([...all].map((value, at) => value + mean[at])) : all }];
}

/** The best part of each item, best first. */
function bruteForce(query: Float32Array, kind: Kind): { id: string; score: number }[] {
  const best = new Map<string, number>();
  for (const row of rows) if (row.kind === kind) best.set(row.id, Math.max(best.get(row.id) ?? -1, dot(query, row.vector)));
  return [...best].map(([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score);
}

async function startService(models: Models) {
  const keys = generateTokenKeys();
  const running = await start({ database, models, verifier: new CallerTokenVerifier(keys.publicKey), scanWorkers: 1 });
  const token = await new CallerTokens(keys.privateKey).grant({ tenant: { id: randomUUID() }, keyId: 'test', scopes: ['*'] }, 3_600_000);
  const channel = new LocalChannel(running.server);
  const [collections, items, searches] = [serviceClient(CollectionService, channel), serviceClient(ItemService, channel), serviceClient(SearchService, channel)];
  const [operations, versions] = [serviceClient(OperationService, channel), serviceClient(ModelVersionService, channel)];
  return { collections, items, operations, searches, versions, options: { token }, stop: running.stop };
}

const imageOf = ({ file, ocrText = '' }: { file: Uint8Array; ocrText?: string }) => ({ source: { case: 'base64' as const, value: file }, ocrText });

beforeAll(async () => {
  [database, tiny] = await Promise.all([testDatabase({ service: 'retrieval' }), startTinyJoint()]);
  service = await startService(tiny.models);
  notes = [];
  for (let at = 0; at < 20; at++) notes.push(await note(`note-${at}`, at % 4));
  asked = await note('asked', 2);
  [rows, askedRows] = [(await Promise.all(notes.map(rowsOf))).flat(), await rowsOf(asked)];
  await service.collections.putCollection({ collection, spaces: [{ name: 'joint' }] }, service.options);
  const items = notes.map(({ id, title, images }) => ({ id, title, images: images.map(imageOf) }));
  await service.items.upsertItems({ collection, items }, service.options);
}, 180_000);

afterAll(async () => {
  await service?.stop();
  await tiny?.stop();
  await database?.drop();
});

const queryOf = {
  text: () => ({ text: asked.title }),
  ocr: () => ({ ocrText: asked.images[0].ocrText }),
  image: () => ({ image: imageOf({ file: asked.images[0].file }) }),
  note: () => ({ note: { title: asked.title, body: '', images: asked.images.map(imageOf) } }),
} satisfies Record<Kind, () => object>;

it('says which models embed into the space', async () => {
  const { spaces } = await service.collections.getCollection({ collection }, service.options);
  expect(spaces).toMatchObject([{ name: 'joint', dimension: 768, modelVersion: tiny.models.joints[0].version, kinds, isOwn: false }]);
});

const tasks = ['image-to-text', 'text-to-image', 'image-to-note', 'text-to-note', 'note-to-image', 'note-to-text', 'image-to-ocr', 'ocr-to-image', 'ocr-to-note', 'note-to-note'];

describe.each(tasks)('%s', (task) => {
  const [query, candidate] = task.split('-to-') as [Kind, Kind];
  const search = (asking: object) => service.searches.search({ collection, query: asking, task, limit: 10 }, service.options);

  const expectSame = (hits: readonly { id: string; score: number }[], expected: readonly { id: string; score: number }[]) => {
    const message = `seed ${seed}`;
    expect(hits.length, message).toBe(Math.min(10, expected.length));
    // A graph of one layer makes texts that are nearly alike: what scores the same may come in any order.
    hits.forEach(({ id, score }, at) => {
      expect(score, message).toBeCloseTo(expected[at].score, 4);
      expect(expected.find((one) => one.id === id)!.score, message).toBeCloseTo(score, 4);
    });
  };

  it(`by what is new answers as a loop over all vectors`, async () => {
    const { vector } = askedRows.find(({ kind }) => kind === query)!;
    expectSame((await search(queryOf[query]())).hits, bruteForce(vector, candidate));
  });

  it('by an item answers as a loop over all vectors but its own', async () => {
    const own = rows.filter(({ id, kind }) => id === 'note-7' && kind === query);
    const best = new Map<string, number>();
    for (const { vector } of own) for (const { id, score } of bruteForce(vector, candidate)) best.set(id, Math.max(best.get(id) ?? -1, score));
    best.delete('note-7');
    expectSame((await search({ itemId: 'note-7' })).hits, [...best].map(([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score));
  });
});

it('finds a picture again by its file', async () => {
  const { hits } = await service.searches.search({ collection, query: { image: imageOf({ file: notes[7].images[1].file }) }, limit: 1 }, service.options);
  expect(hits).toMatchObject([{ id: 'note-7', part: 1, kinds: ['image'], score: expect.closeTo(1, 4) }]);
});

it('points to the picture that is none, in an item and in a note that is asked with', async () => {
  const broken = { source: { case: 'base64' as const, value: notes[7].images[0].file.subarray(0, 100) }, ocrText: '' };
  const images = [imageOf(notes[7].images[0]), broken];
  const pointerOf = (call: Promise<unknown>) => call.then(() => undefined, (error: { violations: { pointer?: string }[] }) => error.violations[0].pointer);
  expect(await pointerOf(service.items.upsertItems({ collection, items: [{ id: 'whole', title: 'a cat' }, { id: 'broken', images }] }, service.options))).toBe('/items/1/images/1/base64');
  expect(await pointerOf(service.searches.search({ collection, query: { note: { title: 'a cat', body: '', images } } }, service.options))).toBe('/query/note/images/1/base64');
  expect(await pointerOf(service.items.getItem({ collection, id: 'whole' }, service.options))).toBe('/id');
});

it('is refused with what to do where the weights are not pinned, or not there', async () => {
  const unpinned = connectModels({ url: 'unix:/nobody', repository: '/nowhere' });
  const absent: Models = { ...tiny.models, ready: async () => (await tiny.models.ready()).map((model) => ({ ...model, isReady: false, reason: 'run: touchstone models pull embed-joint' })) };
  for (const [models, expected] of [
    [unpinned, { violations: [{ pointer: '/spaces/1/name', detail: expect.stringMatching(/no joint model.*touchstone models pull embed-joint/) }] }],
    [absent, { retryAfterSeconds: 5, violations: [{ pointer: '/spaces/1', detail: 'run: touchstone models pull embed-joint' }] }],
  ] as const) {
    const other = await startService(models);
    const refused = await other.collections.putCollection({ collection: 'refused', spaces: [{ name: 'text' }, { name: 'joint' }] }, other.options).catch((error: unknown) => error);
    expect(refused).toMatchObject(expected);
    await other.stop();
  }
  await unpinned.close();
});

it('changes to a model that reads a note as a whole, and back', async () => {
  const { versions, operations, options } = service;
  const [pair, whole] = ['embed-joint', 'embed-joint-qwen3-vl'];
  const model = tiny.models.joints.find(({ name }) => name === whole)!;
  const { id } = await versions.reindex({ collection, space: 'joint', modelVersion: whole }, options);
  for await (const { event } of operations.watchOperation({ id }, options)) if (event.case === 'finished') expect(event.value).toMatchObject({ state: 'succeeded', result: { items: notes.length, missing: 0 } });

  const ask = async (expected: readonly { id: string; score: number }[]) => {
    const { hits } = await service.searches.search({ collection, query: queryOf.note(), task: 'note-to-note', limit: 5 }, options);
    hits.forEach(({ score }, at) => expect(score, `seed ${seed}`).toBeCloseTo(expected[at].score, 4));
  };
  const inOne = ({ title, images }: Note) => ({ text: [title, ...images.map(({ ocrText }) => ocrText)].filter(Boolean).join('\n'), pictures: images.map(({ file }) => file) });
  const [query, ...vectors] = await model.embed([asked, ...notes].map(inOne));
  const byWhole = notes.map((each, at) => ({ id: each.id, score: dot(query, vectors[at]) })).sort((a, b) => b.score - a.score);
  const byPair = bruteForce(askedRows.find(({ kind }) => kind === 'note')!.vector, 'note');

  await versions.switchModelVersion({ collection, space: 'joint', modelVersion: whole }, options);
  await ask(byWhole);
  await versions.switchModelVersion({ collection, space: 'joint', modelVersion: pair }, options);
  await ask(byPair);
  expect(byWhole[0].score).not.toBeCloseTo(byPair[0].score, 4);
}, 180_000);
