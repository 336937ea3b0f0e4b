import { collection } from './load-sample.ts';
import { type OpenmojiPackage, samplePictures } from './openmoji.ts';
import type { RestClient } from './rest-client.ts';
import type { SearchAnswer } from './searches.ts';
import { nearDuplicates } from './sample-texts.ts';

/** How often the right item was first, and among the first five. */
export interface Recall {
  readonly queries: number;
  readonly at1: number;
  readonly at5: number;
}

/** Each text of a pair searches by its words among the texts for the other one; it is not a hit itself. */
export async function recallOfPairs(client: RestClient): Promise<Recall> {
  const ranks: number[] = [];
  for (const { id, title, body, attributes } of nearDuplicates) {
    const query = { text: `${title}\n${body}` };
    const { hits } = await search(client, { query, filter: { all: [{ field: 'kind', equals: 'text' }] }, limit: 6 });
    ranks.push(hits.filter((hit) => hit.id !== id).findIndex((hit) => hit.id === attributes.pairOf));
  }
  return recall(ranks);
}

/** Every picture, changed as `change` does, searches for its own original. */
export async function recallOfChanged(client: RestClient, openmoji: OpenmojiPackage, change: 'mirrored' | 'outlines'): Promise<Recall> {
  const ranks: number[] = [];
  for (const { id, hexcode } of samplePictures(await openmoji.catalogue())) {
    const base64 = (await openmoji[change](hexcode)).toString('base64');
    const { hits } = await search(client, { query: { image: { base64 } }, limit: 5 });
    ranks.push(hits.findIndex((hit) => hit.id === id));
  }
  return recall(ranks);
}

/** @param ranks 0-based position of each query's right item, or -1. */
export function recall(ranks: readonly number[]): Recall {
  const within = (limit: number) => ranks.filter((rank) => rank >= 0 && rank < limit).length / ranks.length;
  return { queries: ranks.length, at1: within(1), at5: within(5) };
}

function search(client: RestClient, request: object): Promise<SearchAnswer> {
  return client.send('POST', `/v1/collections/${collection}/search`, request);
}
