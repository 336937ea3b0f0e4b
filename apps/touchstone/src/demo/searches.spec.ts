import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Sender } from './load-sample.ts';
import { OpenmojiPackage, samplePictures } from './openmoji.ts';
import { sampleTexts } from './sample-texts.ts';
import { type SampleSearch, runSearch, sampleSearches } from './searches.ts';

const openmoji = OpenmojiPackage.find();
let folder: string;
let searches: SampleSearch[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'touchstone-demo-'));
  searches = await sampleSearches(openmoji, join(folder, 'demo'));
});
afterAll(() => rm(folder, { recursive: true }));

it('shows the command for exactly what it sends, and the answer to it', async () => {
  for (const search of searches) {
    const sent: object[] = [];
    const hit = { id: 'cat', score: 0.5, space: 'text', part: 0 };
    const client: Sender = {
      async send<Answer>(_method: string, path: string, body: object) {
        expect(path).toBe('/v1/collections/demo/search');
        sent.push(body);
        return { hits: [hit, hit] } as Answer;
      },
    };
    const { command, answer } = await runSearch(client, { url: 'http://127.0.0.1:1', keyWords: '$TOUCHSTONE_KEY' }, search);

    const [, data] = /-d (.*)$/.exec(command)!;
    const shown = data!.startsWith('@') ? await readFile(data!.slice(1), 'utf8') : data!.slice(1, -1);
    expect(sent).toEqual([JSON.parse(shown)]);
    expect(JSON.parse(answer)).toEqual({ hits: [hit, hit] });
  }
});

it('searches by text, by picture and by an item that the collection has, in a group that it has', async () => {
  const [byText, byPicture, byItem] = searches.map(({ request }) => request as any);
  const pictures = samplePictures(await openmoji.catalogue());
  const [condition] = byItem.filter.all;

  expect(byText.query.text).toBeTypeOf('string');
  expect(Buffer.from(byPicture.query.image.base64, 'base64').subarray(0, 2)).toEqual(Buffer.of(0xff, 0xd8));
  expect([...sampleTexts, ...pictures].map(({ id }) => id)).toContain(byItem.query.itemId);
  expect(pictures.map(({ attributes }) => attributes.group)).toContain(condition.equals);
});
