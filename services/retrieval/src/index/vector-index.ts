/** What a stored vector was made from, in the order that decides ties. */
export const kinds = ['text', 'image', 'ocr', 'note'] as const;
export type Kind = (typeof kinds)[number];

export type AttributeValue = string | number | boolean;

/** One vector of an item. A row that is the item's text and its whole note at once has both kinds. */
export interface IndexedPart {
  readonly space: string;
  /** At least one. Within an item and space, a part number comes once in each kind. */
  readonly kinds: readonly Kind[];
  /** From 0 to 4294967295: which of the item's texts or pictures. */
  readonly part: number;
  /** Normalised to length 1 by the caller; as long as the space's dimension. */
  readonly vector: Float32Array;
}

export interface IndexedItem {
  readonly id: string;
  /** Category, author, createdAt (milliseconds) and the attributes, flat. Scalars and lists of scalars count; anything else is ignored. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Id of the item that this one is a duplicate of. */
  readonly keeper?: string;
  readonly parts: readonly IndexedPart[];
}

/** Numbers between two ends; at least one end. */
export interface Range {
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
}

/**
 * A condition on a field holds when one of the item's values (a list has several) fulfils it. A field exists when it has a
 * value. `all` of nothing holds, `any` of nothing does not. An item without the field fulfils `not` of any condition on it.
 */
export type Filter =
  | { readonly all: readonly Filter[] }
  | { readonly any: readonly Filter[] }
  | { readonly not: Filter }
  | { readonly field: string; readonly in: readonly AttributeValue[] }
  | { readonly field: string; readonly range: Range }
  | { readonly field: string; readonly exists: boolean };

/**
 * What may be in an answer once: a row (`part`), an item (`note`), an item and those that it is the keeper of
 * (`duplicateCluster`), or all items with the same value of a field. An item with no value or several is a group of its own.
 */
export type GroupBy = 'part' | 'note' | 'duplicateCluster' | { readonly field: string };

export interface IndexQuery {
  readonly space: string;
  /** As long as the space's dimension; must not change before the answer is there. */
  readonly vector: Float32Array;
  /** Rows of one of these kinds; of all when absent. */
  readonly kinds?: readonly Kind[];
  /** Compares only this many leading numbers of query and rows, by cosine: each prefix with its own norm. All when absent. */
  readonly dimensions?: number;
  /** Groups wanted, at least 1. */
  readonly limit: number;
  readonly filter?: Filter;
  /** Ids of items that must not be among the hits: those that ask. */
  readonly exclude?: readonly string[];
  /** `note` when absent. */
  readonly groupBy?: GroupBy;
  /**
   * The last hit of the page before: only groups whose best hit ranks strictly below it. `kind` is the first of the hit's
   * kinds; without it the cursor stands below all rows of that part.
   */
  readonly after?: { readonly score: number; readonly id: string; readonly part: number; readonly kind?: Kind };
  /** Leaves out hits that score less. */
  readonly minScore?: number;
}

export interface Hit {
  readonly id: string;
  /** Inner product with the row: the cosine, for vectors of length 1. */
  readonly score: number;
  /** Of the row, in the order of `kinds`. */
  readonly kinds: readonly Kind[];
  readonly part: number;
  /** What the group shares: the item's id, the keeper's id or the field's value; absent when the row or item stands for itself. */
  readonly group?: AttributeValue;
}

export interface SearchResult {
  /** Best first, one of each group; equal scores by id, then part, then first kind. */
  readonly hits: readonly Hit[];
  /** Live rows of the kinds that passed the filter when the search began. */
  readonly examined: number;
  readonly route: 'exact' | 'graph';
}

export interface FacetValue {
  readonly value: AttributeValue;
  /** Items that have it. */
  readonly count: number;
}

type Awaitable<T> = T | Promise<T>;

/**
 * The vectors of one collection. A view of stored items, in process (collection-index.ts) or in a database: whoever owns it
 * brings it every change in order, and rebuilds it.
 *
 * A write is visible to every search that begins after it was done. Wrong input is a RangeError that says what was expected.
 */
export interface VectorIndex {
  /** Items. */
  readonly size: number;
  /** Adds a space; the items that are there have no part in it. */
  addSpace(name: string, dimension: number): Awaitable<void>;
  /** Drops a space with all its rows and frees their memory. Searches of it that are in flight may end with a RangeError. */
  dropSpace(name: string): Awaitable<void>;
  /** Replaces the whole item; on an error the old one stays. */
  upsert(item: IndexedItem): Awaitable<void>;
  /** @returns whether the item was there. */
  delete(id: string): Awaitable<boolean>;
  has(id: string): Awaitable<boolean>;
  /** Copies of the item's vectors in a space, of one kind or of all, in the order they were given; empty when there are none. */
  vectors(id: string, space: string, kind?: Kind): Awaitable<readonly Float32Array[]>;
  /** @returns whether an item has a value of the field. */
  known(field: string): Awaitable<boolean>;
  /** The best of the `limit` best groups; fewer only when fewer match. */
  search(query: IndexQuery): Promise<SearchResult>;
  /**
   * How many of the items that match have each value of the fields.
   *
   * @returns for each field at most `limit` values, largest count first; equal counts: numbers, strings, booleans, ascending.
   */
  facets(fields: readonly string[], filter?: Filter, limit?: number): Awaitable<ReadonlyMap<string, readonly FacetValue[]>>;
  close(): Awaitable<void>;
}
