import type { Arena } from './arena.ts';
import { Bits } from './bits.ts';
import { FloatVectors } from './float-vectors.ts';
import { isMatch, matching } from './matches.ts';
import { Postings } from './postings.ts';
import { type KindSet, kindSet } from './kind-set.ts';
import { SpaceRows } from './space-rows.ts';
import { Uint32List } from './uint32-list.ts';
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
/** In the place of an ordinal: the entry was dead when the compaction came to it. As a signed number −1. */
const gone = 0xffffffff;

/**
 * All that was written since the last compaction: entries by ordinal, their posting lists, the rows of each space. Append
 * only, so a search reads what was there when it began. Compaction copies what lives into a new generation; the blocks of the
 * old one are freed when the last search that reads them has ended. It is done in slices by the writes that follow: of 100,000
 * items none waited for more than 26 ms on a busy machine, most for 7, where all at once took 260. An item costs 140 bytes of heap
 * with its id and one field, beside its rows and their lists.
 */
export class Generation {
  readonly entries: Entry[] = [];
  /** Ordinals of live entries: read for each candidate of a filter, where the entries themselves would be far apart in memory. */
  readonly #lives = new Bits();
  #dead = 0;
  #readers = 0;
  #isRetired = false;
  /** What is being made of this one, and for each entry that was looked at its ordinal there. */
  #next: { readonly generation: Generation; readonly ordinals: Uint32List } | undefined;

  private constructor(
    readonly spaces: Map<string, SpaceRows>,
    public postings: Postings,
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
    this.abandonCompaction();
    const rows = new SpaceRows(arena, new FloatVectors(dimension, file));
    for (let ordinal = 0; ordinal < this.entries.length; ordinal++) rows.open();
    this.spaces.set(name, rows);
  }

  add({ id, keeper, fields, parts }: IndexedItem): Entry {
    const entry = { id, keeper, ordinal: this.entries.length, isLive: true };
    this.#open(entry);
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
    this.#killAt(entry.ordinal, () => true);
    if (!this.#next || entry.ordinal >= this.#next.ordinals.length) return;
    const copied = this.#next.ordinals.at(entry.ordinal);
    if (copied !== gone) this.#next.generation.#killAt(copied, (name, { floats }) => floats !== this.spaces.get(name)!.floats);
  }

  /**
   * Goes on with the compaction by at most `most` entries, and begins it when there is none. What is written meanwhile is written here.
   *
   * @returns once it has all: the generation with what lives, which now belongs to it, and without one space; this one is retired.
   */
  compact({ arena, file }: IndexMemory, most: number, without?: string): Generation | undefined {
    if (!this.#next) {
      const kept = [...this.spaces].filter(([name]) => name !== without);
      const spaces = kept.map(([name, { floats }]) => {
        const store = floats.isSparse ? new FloatVectors(floats.dimension, file) : floats;
        return [name, new SpaceRows(arena, store)] as const;
      });
      this.#next = { generation: new Generation(new Map(spaces), new Postings()), ordinals: new Uint32List() };
    }
    const { generation, ordinals } = this.#next;
    try {
      const end = Math.min(this.entries.length, ordinals.length + most);
      for (let old = ordinals.length; old < end; old++) ordinals.push(this.entries[old].isLive ? generation.#copy(this, old) : gone);
    } catch (cause) {
      this.abandonCompaction();
      throw cause; // the arena or the disk is full
    }
    if (ordinals.length < this.entries.length) return undefined;

    this.#next = undefined;
    generation.entries.forEach((entry, ordinal) => {
      if (entry.isLive) entry.ordinal = ordinal;
    });
    generation.postings = this.postings.renumbered(Int32Array.from(ordinals.view()));
    this.retire();
    return generation;
  }

  get isCompacting(): boolean {
    return this.#next !== undefined;
  }

  /** Forgets what was copied. */
  abandonCompaction(): void {
    this.#next?.generation.retire();
    this.#next = undefined;
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
    this.abandonCompaction();
    this.#isRetired = true;
    this.#freeIfUnused();
  }

  /** @returns the ordinal of the next entry. */
  #open(entry: Entry): number {
    const ordinal = this.entries.length;
    this.entries.push(entry);
    this.#lives.add(ordinal);
    for (const rows of this.spaces.values()) rows.open();
    return ordinal;
  }

  #copy(from: Generation, old: number): number {
    const ordinal = this.#open(from.entries[old]);
    for (const [name, own] of this.spaces) {
      const rows = from.spaces.get(name)!;
      for (let row = rows.firstRow(old); row < rows.endRow(old); row++) own.copy(rows, row);
    }
    return ordinal;
  }

  #killAt(ordinal: number, ownsFloats: (space: string, rows: SpaceRows) => boolean): void {
    this.#lives.delete(ordinal);
    this.#dead++;
    for (const [name, rows] of this.spaces) rows.kill(ordinal, ownsFloats(name, rows));
  }

  #freeIfUnused(): void {
    if (this.#isRetired && this.#readers === 0) for (const rows of this.spaces.values()) rows.free();
  }
}
