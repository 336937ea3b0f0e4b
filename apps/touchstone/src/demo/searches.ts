import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { contentOf, curlCommand } from './curl.ts';
import { type Sender, collection } from './load-sample.ts';
import { type OpenmojiPackage, samplePictures } from './openmoji.ts';

export interface SearchAnswer {
  readonly hits: readonly { readonly id: string; readonly score: number; readonly space: string; readonly part: number }[];
}

/** A search to show: what it asks in words, the request, and the file where its body lies when it is long. */
export interface SampleSearch {
  readonly words: string;
  readonly request: object;
  readonly file?: string;
}

const drawing = 'leopard';

/** The three searches of the demo. The picture and the body that carries it are written to `folder`. */
export async function sampleSearches(openmoji: OpenmojiPackage, folder: string): Promise<SampleSearch[]> {
  const { hexcode } = samplePictures(await openmoji.catalogue()).find(({ id }) => id === drawing)!;
  const mirrored = await openmoji.mirrored(hexcode);
  const picture = join(folder, `${drawing}-mirrored.jpg`);
  const byPicture = { query: { image: { base64: mirrored.toString('base64') } }, limit: 3 };
  const file = join(folder, 'search-by-picture.json');
  await mkdir(folder, { recursive: true });
  await writeFile(picture, mirrored);
  await writeFile(file, `${JSON.stringify(byPicture)}\n`);

  return [
    { words: 'By text', request: { query: { text: 'my cat destroys the furniture' }, limit: 5 } },
    { words: `By picture: ${shown(picture)}, a drawing of the collection the other way round, as JPEG`, request: byPicture, file },
    {
      words: 'By item, with a filter: objects like the guitar, by name and by look',
      request: { query: { itemId: 'guitar' }, filter: { all: [{ field: 'group', equals: 'objects' }] }, limit: 3 },
    },
  ];
}

/** The command that does the search, and what the platform answers to it now. */
export async function runSearch(client: Sender, { url, keyWords }: Caller, { request, file }: SampleSearch): Promise<{ command: string; answer: string }> {
  const path = `/v1/collections/${collection}/search`;
  const body = file ? { file: shown(file) } : JSON.stringify(request);
  const { hits } = await client.send<SearchAnswer>('POST', path, request);
  return {
    command: curlCommand({ url: `${url}${path}`, keyWords, body }),
    answer: `{"hits":[\n${hits.map((hit) => `  ${JSON.stringify(hit)}`).join(',\n')}\n]}`,
  };
}

/** Where a platform is and how a shell says its key. */
export interface Caller {
  readonly url: string;
  readonly keyWords: string;
}

/** How a shell in this folder finds the file that holds the key. */
export function keyIn(file: string): string {
  return contentOf(shown(file));
}

/** The shorter way to a file: from this folder when it lies below, else from the root. */
function shown(file: string): string {
  const way = relative(process.cwd(), file);
  return way.startsWith('..') ? file : way;
}
