import type { Kind } from '../index/vector-index.ts';
import { sha256 } from '../item/content-hash.ts';
import type { Picture } from '@touchstone/files';

/** A picture of a note that is no item. */
export interface NotePicture extends Picture {
  /** Empty when there is none. */
  readonly ocrText: string;
}

/** What has vectors to search with, and the JSON pointer to it in the request. */
export type Source = { readonly pointer: string } & (
  | { readonly kind: 'item'; readonly id: string }
  | { readonly kind: 'text' | 'ocr'; readonly text: string }
  | { readonly kind: 'image'; readonly image: Picture }
  | { readonly kind: 'note'; readonly title: string; readonly body: string; readonly images: readonly NotePicture[] }
  | { readonly kind: 'vector'; readonly vector: readonly number[] }
);

export type NoteSource = Extract<Source, { readonly kind: 'note' }>;

/** Examples of what is wanted, at least one, and of what is not. */
export interface ExampleQuery {
  readonly kind: 'examples';
  readonly pointer: string;
  readonly positive: readonly Source[];
  readonly negative: readonly Source[];
}

export type SearchQuery = Source | ExampleQuery;

/** The sources of a query: itself, or all examples. */
export function sourcesOf(query: SearchQuery): readonly Source[] {
  return query.kind === 'examples' ? [...query.positive, ...query.negative] : [query];
}

/** Ids of the items that a query names. */
export function itemsOf(query: SearchQuery): string[] {
  return sourcesOf(query).flatMap((source) => (source.kind === 'item' ? [source.id] : []));
}

/** The kind of part that a source is; undefined for what can be any, an item or a vector. */
export function kindOf({ kind }: Source): Kind | undefined {
  return kind === 'item' || kind === 'vector' ? undefined : kind;
}

/** What tells a query from another; pictures and vectors by their hash. */
export function identityOf(query: SearchQuery): readonly unknown[] {
  if (query.kind === 'examples') return ['examples', query.positive.map(identityOfSource), query.negative.map(identityOfSource)];
  return identityOfSource(query);
}

function identityOfSource(source: Source): readonly unknown[] {
  switch (source.kind) {
    case 'item':
      return [source.kind, source.id];
    case 'text':
    case 'ocr':
      return [source.kind, source.text];
    case 'image':
      return [source.kind, sha256(source.image.file)];
    case 'note':
      return [source.kind, source.title, source.body, source.images.map(({ file, ocrText }) => [sha256(file), ocrText])];
    case 'vector':
      return [source.kind, sha256(new Uint8Array(Float64Array.from(source.vector).buffer))]; // as JSON it took longer than the search of 1,000 rows
  }
}
