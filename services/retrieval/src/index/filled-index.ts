import { CollectionIndex } from './collection-index.ts';
import { PlainIndex } from './plain-index.ts';
import type { Scanner } from './scanner.ts';
import type { IndexedItem } from './vector-index.ts';

/** An item with one vector, its text. */
export const textItem = (id: string, vector: Float32Array, fields: IndexedItem['fields'] = {}): IndexedItem => ({ id, fields, parts: [{ space: 'text', kinds: ['text'], part: 0, vector }] });

/** An index and its model, filled alike: what the tests of the index begin with. */
export function filledIndex(scanner: Scanner, dimension: number, items: readonly IndexedItem[]): { index: CollectionIndex; plain: PlainIndex } {
  const index = new CollectionIndex(scanner, new Map([['text', { dimension }]]));
  const plain = new PlainIndex();
  for (const each of items) {
    index.upsert(each);
    plain.upsert(each);
  }
  return { index, plain };
}
