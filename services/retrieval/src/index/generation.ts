import type { Arena } from './arena.ts';
import { Bits } from './bits.ts';
import { FloatVectors } from './float-vectors.ts';
import { isMatch, matching } from './matches.ts';
import { Postings } from './postings.ts';
import { type KindSet, kindSet } from './kind-set.ts';
import { SpaceRows } from './space-rows.ts';
import type { VectorFile } from './vectors.file.ts';
import type { FacetValue, Filter, IndexedItem } from './vector-index.ts';

/** An item as it was written once; an update makes a new entry. */
export interface Entry {
  readonly id: string;
  readonly keeper: string | undefined;
  /** Its place in the current generation. */
  ordinal: number;
  isLive: boolean;
}

/** Where the indexes of a process are. */
export interface IndexMemory {
  readonly arena: Arena;
  /** The float32 vectors; in memory too when absent. */
  readonly file?: VectorFile;
}

/** Fewer dead items than this are not worth a compaction. */
const minimumDead = 32;
const deadShare = 0.2;

/**
 * All that was written since the last compaction: entries by ordinal, their posting lists, the rows of each space. Append
 * only, so a search reads what was there when it began. Compaction copies what lives into a new generation; the blocks of the
 * old one are freed when the last search that reads them has ended. Compacting 100,000 rows of 256 dimensions holds up the
 * event loop for up to 70 ms, once in 25,000 updates; an item costs 185 bytes of heap with its id and posting lists, beside its rows.
 */
export class Generation {
  readonly entries: Entry[] = [];
  /** Ordinals of live entries: read for each candidate of a filter, where the entries themselves would be far apart in memory. */
  readonly #lives = new Bits();
  #dead = 0;
  #readers = 0;
  #isRetired = false;

  private constructor(
    readonly spaces: Map<string, SpaceRows>,
    readonly postings: Postings,
  ) {}

  static empty({ arena, file }: IndexMemory, spaces: ReadonlyMap<string, { dimension: number }>): Generation {
    const rows = [...spaces].map(([name, { dimension }]) => [name, new SpaceRows(arena, new FloatVectors(dimension, file))] as const);
    return new Generation(new Map(rows), new Postings());
  }

  get isWorthCompacting(): boolean {
    return this.#dead >= minimumDead && this.#dead > deadShare * this.entries.length;
  }

  /** The items that are there have no row in it. */
  addSpace({ arena, file }: IndexMemory, name: string, dimension: number): void {
    const rows = new SpaceRows(arena, new FloatVectors(dimension, file));
    for (let ordinal = 0; ordinal < this.entries.length; ordinal++) rows.open();
    this.spaces.set(name, rows);
  }

  add({ id, keeper, fields, parts }: IndexedItem): Entry {
    const entry = this.#open({ id, keeper, ordinal: 0, isLive: true });
    this.postings.add(fields);
    try {
      for (const { space, part, kinds, vector } of parts) this.spaces.get(space)!.add(part, kindSet(kinds), vector);
    } catch (cause) {
      this.kill(entry); // the arena or the disk is full
      throw cause;
    }
    return entry;
  }

  kill(entry: Entry): void {
    entry.isLive = false;
    this.#lives.delete(entry.ordinal);
    this.#dead++;
    for (const rows of this.spaces.values()) rows.kill(entry.ordinal);
  }

  /** @returns a generation with the live entries only, which now belong to it, and without one space; this one is retired. */
  compacted({ arena, file }: IndexMemory, without?: string): Generation {
    const ordinals = new Int32Array(this.entries.length).fill(-1);
    this.entries.filter(({ isLive }) => isLive).forEach(({ ordinal }, index) => (ordinals[ordinal] = index));
    const kept = [...this.spaces].filter(([name]) => name !== without);
    const spaces = kept.map(([name, { floats }]) => {
      const store = floats.isSparse ? new FloatVectors(floats.dimension, file) : floats;
      return [name, new SpaceRows(arena, store)] as const;
    });
    const next = new Generation(new Map(spaces), this.postings.renumbered(ordinals));
    for (const entry of this.entries) {
      if (!entry.isLive) continue;
      const old = entry.ordinal;
      next.#open(entry);
      for (const [name, rows] of kept) {
        for (let row = rows.firstRow(old); row < rows.endRow(old); row++) next.spaces.get(name)!.copy(rows, row);
      }
    }
    this.retire();
    return next;
  }

  /** The live rows of some kinds, ascending, of the items that match. */
  liveRows(space: SpaceRows, kinds: KindSet, filter: Filter): Uint32Array {
    const ordinals = matching(filter, this.postings);
    return space.rowsOf(this.#dead === 0 ? ordinals : ordinals.filter((ordinal) => this.#lives.has(ordinal)), kinds);
  }

  isMatch(filter: Filter, { ordinal }: Entry): boolean {
    return isMatch(filter, this.postings, ordinal);
  }

  /** Counts values among the live items that match. */
  facets(fields: readonly string[], filter: Filter | undefined, limit: number): Map<string, readonly FacetValue[]> {
    let among = this.#lives;
    if (filter) {
      among = new Bits(this.entries.length);
      for (const ordinal of matching(filter, this.postings)) if (this.#lives.has(ordinal)) among.add(ordinal);
    }
    return new Map(fields.map((field) => [field, this.postings.count(field, among, limit)]));
  }

  /** @returns whether a live item has a value of the field. */
  known(field: string): boolean {
    return this.postings.field(field)?.isIn(this.#lives) ?? false;
  }

  /** Keeps the blocks until `release`. */
  acquire(): void {
    this.#readers++;
  }

  release(): void {
    this.#readers--;
    if (this.#readers === 0) for (const rows of this.spaces.values()) rows.freeDropped();
    this.#freeIfUnused();
  }

  /** Nothing is written any more; frees the blocks as soon as no search reads them. */
  retire(): void {
    this.#isRetired = true;
    this.#freeIfUnused();
  }

  #open(entry: Entry): Entry {
    entry.ordinal = this.entries.length;
    this.entries.push(entry);
    this.#lives.add(entry.ordinal);
    for (const rows of this.spaces.values()) rows.open();
    return entry;
  }

  #freeIfUnused(): void {
    if (this.#isRetired && this.#readers === 0) for (const rows of this.spaces.values()) rows.free();
  }
}
