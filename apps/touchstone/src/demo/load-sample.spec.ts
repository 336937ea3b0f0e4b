import { expect, it } from 'vitest';
import { type Sender, loadPictures, loadTexts } from './load-sample.ts';
import { OpenmojiPackage, samplePictures } from './openmoji.ts';
import { sampleTexts } from './sample-texts.ts';

interface Item {
  readonly id: string;
  readonly title: string;
  readonly images?: readonly { readonly base64: string }[];
}

/** Takes every batch, as the platform would, and counts an item that it has already as unchanged. */
function platform() {
  const batches: Item[][] = [];
  const known = new Map<string, string>();
  const client: Sender = {
    async send<Answer>(_method: string, path: string, { items }: { items?: Item[] }) {
      expect(path).toBe('/v1/collections/demo/items:upsert');
      batches.push(items!);
      const changed = items!.filter((item) => known.get(item.id) !== JSON.stringify(item));
      for (const item of changed) known.set(item.id, JSON.stringify(item));
      return { upserted: changed.length, unchanged: items!.length - changed.length } as Answer;
    },
  };
  return { client, batches };
}

const unheard = () => undefined;

it('writes every text once, at most 100 in a batch, and says how far it is', async () => {
  const { client, batches } = platform();
  const heard: number[] = [];

  expect(await loadTexts(client, (done) => heard.push(done))).toMatchObject({ count: sampleTexts.length, upserted: sampleTexts.length, unchanged: 0 });

  expect(batches.flat()).toEqual(sampleTexts);
  expect(Math.max(...batches.map((batch) => batch.length))).toBe(100);
  expect(heard.at(-1)).toBe(sampleTexts.length);
});

it('writes every picture once with its PNG, at most 32 in a batch; a second time nothing changes', async () => {
  const openmoji = OpenmojiPackage.find();
  const pictures = samplePictures(await openmoji.catalogue());
  const { client, batches } = platform();
  await loadPictures(client, openmoji, unheard);

  expect(batches.flat().map(({ id }) => id)).toEqual(pictures.map(({ id }) => id));
  expect(Math.max(...batches.map((batch) => batch.length))).toBe(32);
  for (const { id, images } of batches.flat()) {
    expect(images, id).toHaveLength(1);
    expect(Buffer.from(images![0]!.base64, 'base64').toString('latin1', 1, 4), id).toBe('PNG');
  }
  expect(await loadPictures(client, openmoji, unheard)).toMatchObject({ upserted: 0, unchanged: pictures.length });
});
