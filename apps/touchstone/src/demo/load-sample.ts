import { type OpenmojiPackage, samplePictures } from './openmoji.ts';
import type { RestClient } from './rest-client.ts';
import { sampleTexts } from './sample-texts.ts';

export const collection = 'demo';

/** The API's limits on one write. */
const itemsInBatch = 100;
const picturesInBatch = 32;

/** What a write of many items came to. */
export interface Loaded {
  readonly count: number;
  readonly upserted: number;
  /** Were there already, equal in every part. */
  readonly unchanged: number;
  readonly seconds: number;
}

/** The part of the client that sends. */
export type Sender = Pick<RestClient, 'send'>;
type Progress = (done: number, of: number) => void;
interface Written {
  readonly upserted: number;
  readonly unchanged: number;
}

/** Writes the sample's texts. A second time nothing changes. */
export function loadTexts(client: Sender, onProgress: Progress): Promise<Loaded> {
  return load(client, sampleTexts, itemsInBatch, async (text) => text, onProgress);
}

/** Writes the sample's pictures, each with its English name as title. A second time nothing changes. */
export async function loadPictures(client: Sender, openmoji: OpenmojiPackage, onProgress: Progress): Promise<Loaded> {
  const pictures = samplePictures(await openmoji.catalogue());
  return load(client, pictures, picturesInBatch, async ({ hexcode, ...item }) => ({
    ...item,
    images: [{ base64: (await openmoji.drawing(hexcode)).toString('base64') }],
  }), onProgress);
}

async function load<Source>(
  client: Sender,
  sources: readonly Source[],
  batchSize: number,
  item: (source: Source) => Promise<object>,
  onProgress: Progress,
): Promise<Loaded> {
  const start = performance.now();
  const total = { upserted: 0, unchanged: 0 };
  for (let first = 0; first < sources.length; first += batchSize) {
    const items = await Promise.all(sources.slice(first, first + batchSize).map(item));
    const written = await client.send<Written>('POST', `/v1/collections/${collection}/items:upsert`, { items });
    total.upserted += written.upserted;
    total.unchanged += written.unchanged;
    onProgress(first + items.length, sources.length);
  }
  return { ...total, count: sources.length, seconds: (performance.now() - start) / 1_000 };
}
