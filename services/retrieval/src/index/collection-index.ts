import type { Scanner } from './scanner.ts';

export type AttributeValue = string | number | boolean;

/** Holds for an item whose attribute `field` is one of `in`, or is a list with one of them. Equality is `in` of one. */
export interface Condition {
  readonly field: string;
  readonly in: readonly AttributeValue[];
}

/** All conditions must hold; an empty filter matches everything. */
export type Filter = readonly Condition[];

export interface IndexedItem {
  readonly id: string;
  /** Scalars and lists of scalars can be filtered by; anything else is ignored. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Normalised to length 1 by the caller. An item may have several parts in one space, each part once. */
  readonly vectors: readonly { readonly space: string; readonly part: number; readonly vector: Float32Array }[];
}

export interface SpaceQuery {
  readonly space: string;
  readonly vector: Float32Array;
  /** Distinct items wanted, at least 1. */
  readonly limit: number;
  readonly filter?: Filter;
  /** Id of an item that must not be among the hits: the one that asks. */
  readonly exclude?: string;
}

export interface Hit {
  readonly id: string;
  /** Inner product with the item's best part: the cosine, for vectors of length 1. */
  readonly score: number;
  readonly part: number;
}

export interface SearchResult {
  /** Best first; equal scores by id. */
  readonly hits: readonly Hit[];
  /** Rows that passed the filter and were scanned. */
  readonly examined: number;
  readonly route: 'exact';
}

/**
 * The vectors of one collection, searched exactly. A view of stored items: it keeps nothing on disk, its owner rebuilds it.
 * A write is visible to the next search. Wrong input is a RangeError that says what was expected.
 */
export class CollectionIndex {
  readonly #items = new Map<string, IndexedItem>();

  constructor(
    private readonly scanner: Scanner,
    private readonly spaces: ReadonlyMap<string, { dimension: number }>,
  ) {}

  get size(): number {
    return this.#items.size;
  }

  has(id: string): boolean {
    return this.#items.has(id);
  }

  /** Replaces the whole item. */
  upsert(item: IndexedItem): void {
    this.#items.set(item.id, structuredClone(item));
  }

  /** @returns whether the item was there. */
  delete(id: string): boolean {
    return this.#items.delete(id);
  }

  /** Copies of the item's vectors in a space, in the order they were given; empty when there are none. */
  vectors(id: string, space: string): readonly Float32Array[] {
    return (this.#items.get(id)?.vectors ?? []).filter((vector) => vector.space === space).map(({ vector }) => vector);
  }

  /** The `limit` best distinct items, each by its best part; fewer only when fewer match. */
  async search({ space, vector, limit, filter = [], exclude }: SpaceQuery): Promise<SearchResult> {
    const matches = ({ attributes }: IndexedItem) =>
      filter.every((condition) => [attributes[condition.field]].flat().some((value) => condition.in.includes(value as AttributeValue)));
    const rows = [...this.#items.values()].filter(matches).flatMap(({ id, vectors }) => vectors.filter((row) => row.space === space).map((row) => ({ id, ...row })));
    const best = new Map<string, Hit>();
    for (const row of rows) {
      const score = row.vector.reduce((sum, value, index) => sum + value * vector[index], 0);
      if (row.id !== exclude && !(best.get(row.id)!?.score >= score)) best.set(row.id, { id: row.id, score, part: row.part });
    }
    const hits = [...best.values()].sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).slice(0, limit);
    return { hits, examined: rows.length, route: 'exact' };
  }

  /** Gives the memory back to the scanner. Searches in flight finish first; later calls throw. */
  close(): void {
    this.#items.clear();
  }
}
