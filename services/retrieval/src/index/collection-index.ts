import { type Entry, Generation } from './generation.ts';
import { CollectionPairs } from './collection-pairs.ts';
import { norm } from './float-vectors.ts';
import { anyKind, kindSet, kindsOf } from './kind-set.ts';
import { RunningSearch } from './running-search.ts';
import type { Scanner } from './scanner.ts';
import type { SpaceRows } from './space-rows.ts';
import type { FacetValue, Filter, IndexedItem, IndexQuery, Kind, SearchResult, VectorIndex } from './vector-index.ts';

/** Rows whose headers for a prefix are made at once: a millisecond or two. */
const prefixSlice = 1024;
/** Entries that a write copies while there is a compaction: it is done after some dozens of writes, and none waits long. */
const compactionSlice = 2000;

/**
 * The vectors of one collection, searched exactly (quantisation.ts says why the answers are exact and not approximately so).
 * A view of stored items: it keeps nothing on disk, its owner rebuilds it.
 *
 * A write is visible to the next search, and to each search in flight: an answer is that of the moment it resolves. Wrong
 * input is a RangeError that says what was expected; after `close` every call throws an Error.
 */
export class CollectionIndex implements VectorIndex {
  readonly #live = new Map<string, Entry>();
  /** In flight. */
  readonly #searches = new Set<RunningSearch>();
  #generation: Generation;
  #isClosed = false;

  constructor(
    private readonly scanner: Scanner,
    spaces: ReadonlyMap<string, { dimension: number }>,
  ) {
    for (const [name, { dimension }] of spaces) checkDimension(name, dimension);
    this.#generation = Generation.empty(scanner, spaces);
  }

  /** Items. */
  get size(): number {
    return this.#live.size;
  }

  /** Bytes of memory: rows for scanning, live or not yet compacted, lists beside them, and float32 vectors for rescoring unless they are in a file. */
  get usage(): { scannedBytes: number; listBytes: number; rescoringBytes: number } {
    const rows = [...this.#generation.spaces.values()];
    const sum = (bytes: (space: SpaceRows) => number) => rows.reduce((total, space) => total + bytes(space), 0);
    return { scannedBytes: sum((space) => space.bytes), listBytes: sum((space) => space.listBytes), rescoringBytes: sum((space) => space.floats.bytes) };
  }

  /** Adds a space; the items that are there have no part in it. */
  addSpace(name: string, dimension: number): void {
    this.#assertOpen();
    checkDimension(name, dimension);
    if (this.#generation.spaces.has(name)) throw new RangeError(`Space ${name} is there already.`);
    this.#generation.addSpace(this.scanner, name, dimension);
  }

  /** Drops a space with all its rows. Its memory is free once no search reads it; one in flight may end with a RangeError. */
  dropSpace(name: string): void {
    this.#assertOpen();
    this.#rows(this.#generation, name);
    this.#generation.abandonCompaction();
    this.#generation = this.#generation.compact(this.scanner, Infinity, name)!;
  }

  has(id: string): boolean {
    return this.#live.has(id);
  }

  /** Replaces the whole item; on an error the old one stays. */
  upsert(item: IndexedItem): void {
    this.#assertOpen();
    const seen = new Set<string>();
    for (const { space, kinds, part, vector } of item.parts) {
      if (!Number.isInteger(part) || part < 0 || part > 0xffffffff) throw new RangeError(`Item ${item.id}: expected a part from 0 to 4294967295, got ${part}.`);
      for (const kind of kindsOf(kindSet(kinds))) {
        const key = `${kind} ${part} ${space}`;
        if (seen.has(key)) throw new RangeError(`Item ${item.id}: part ${part} comes twice as ${kind} in space ${space}.`);
        seen.add(key);
      }
      this.#check(vector, space, `Item ${item.id}, space ${space}, part ${part}`);
    }
    const entry = this.#generation.add(item);
    this.#kill(item.id);
    this.#live.set(item.id, entry);
    for (const search of this.#searches) search.written.push(entry);
    this.#compact();
  }

  /** @returns whether the item was there. */
  delete(id: string): boolean {
    this.#assertOpen();
    const wasThere = this.#kill(id);
    this.#compact();
    return wasThere;
  }

  /** Copies of the item's vectors in a space, of one kind or of all, in the order they were given; empty when there are none. */
  vectors(id: string, space: string, kind?: Kind): readonly Float32Array[] {
    this.#assertOpen();
    const entry = this.#live.get(id);
    const rows = this.#rows(this.#generation, space);
    const wanted = kind ? kindSet([kind]) : anyKind;
    return entry ? Array.from(rows.rowsOf(Uint32Array.of(entry.ordinal), wanted), (row) => rows.vector(row)) : [];
  }

  /** @returns whether an item has a value of the field. */
  known(field: string): boolean {
    this.#assertOpen();
    return this.#generation.known(field);
  }

  facets(fields: readonly string[], filter?: Filter, limit = 100): ReadonlyMap<string, readonly FacetValue[]> {
    this.#assertOpen();
    return this.#generation.facets(fields, filter, limit);
  }

  /** The best hits of the `limit` best groups; fewer only when fewer match. */
  async search(query: IndexQuery): Promise<SearchResult> {
    this.#assertOpen();
    if (!Number.isInteger(query.limit) || query.limit < 1) throw new RangeError(`limit: expected an integer of at least 1, got ${query.limit}.`);
    if (query.minScore !== undefined && !Number.isFinite(query.minScore)) throw new RangeError(`minScore: expected a finite number, got ${query.minScore}.`);
    this.#check(query.vector, query.space, `Query, space ${query.space}`);
    if (query.dimensions !== undefined) this.#checkPrefix(query, query.dimensions);
    // In slices, so that nobody waits long for the event loop while 100,000 rows get the headers of a prefix that is new.
    while (!this.#rows(this.#generation, query.space).hasPrefix(query.dimensions, prefixSlice)) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#assertOpen();
    }

    const generation = this.#generation;
    const search = new RunningSearch(query, generation, this.#rows(generation, query.space));
    this.#searches.add(search);
    generation.acquire();
    try {
      for (let capacity = 4 * query.limit + 32 + (query.exclude?.length ?? 0); ; capacity *= 4) {
        search.add(await this.scanner.scan(search.scan(capacity)));
        this.#rows(this.#generation, query.space); // it may have been dropped
        const hits = search.proven(this.#generation);
        if (hits) return { hits, examined: search.examined, route: 'exact' };
      }
    } finally {
      generation.release();
      this.#searches.delete(search);
    }
  }

  /** All pairs of similar parts of one kind in a space, as they are now: a search that its owner goes through and closes. */
  pairs(space: string, kind: Kind, threshold: number): CollectionPairs {
    this.#assertOpen();
    return new CollectionPairs(this.scanner, this.#generation, this.#rows(this.#generation, space), kind, threshold);
  }

  /** Gives the memory back to the scanner, as soon as the searches in flight have ended. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#live.clear();
    this.#generation.retire();
  }

  #kill(id: string): boolean {
    const entry = this.#live.get(id);
    if (!entry) return false;
    this.#generation.kill(entry);
    return this.#live.delete(id);
  }

  #compact(): void {
    const generation = this.#generation;
    if (generation.isCompacting || generation.isWorthCompacting) this.#generation = generation.compact(this.scanner, compactionSlice) ?? generation;
  }

  #checkPrefix({ space, vector }: IndexQuery, dimensions: number): void {
    const { dimension } = this.#rows(this.#generation, space);
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > dimension) throw new RangeError(`dimensions: expected an integer from 1 to ${dimension}, got ${dimensions}.`);
    if (norm(vector, dimensions) === 0) throw new RangeError(`Query, space ${space}: its first ${dimensions} numbers are zeros, which have no direction.`);
  }

  #rows(generation: Generation, space: string): SpaceRows {
    const rows = generation.spaces.get(space);
    if (!rows) throw new RangeError(`Space ${space} is not known; the collection has ${[...generation.spaces.keys()].join(', ') || 'none'}.`);
    return rows;
  }

  #check(vector: Float32Array, space: string, what: string): void {
    const { dimension } = this.#rows(this.#generation, space);
    if (vector.length !== dimension) throw new RangeError(`${what}: expected ${dimension} numbers, got ${vector.length}.`);
    let squares = 0;
    for (let index = 0; index < dimension; index++) squares += vector[index] * vector[index];
    if (!Number.isFinite(squares)) throw new RangeError(`${what}: expected finite numbers, got ${vector.find((value) => !Number.isFinite(value))}.`);
    if (squares === 0) throw new RangeError(`${what}: a vector of zeros has no direction.`);
    if (Math.fround(2 * Math.sqrt(squares)) === Infinity) throw new RangeError(`${what}: its length exceeds float32.`);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error('The collection index is closed.');
  }
}

function checkDimension(space: string, dimension: number): void {
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > 65_504) {
    throw new RangeError(`Space ${space}: expected a dimension from 1 to 65504, got ${dimension}.`);
  }
}
