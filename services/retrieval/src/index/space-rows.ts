import { type Arena, pageBytes } from './arena.ts';
import { type FloatVectors, innerProduct, norm } from './float-vectors.ts';
import { anyKind, type KindSet } from './kind-set.ts';
import { PrefixHeaders } from './prefix-headers.ts';
import { headWidth, paddedWidth, quantiseRow, rowFigures } from './quantisation.ts';
import { coarseBytes, fineBytes, RowHeaders } from './row-headers.ts';
import type { Scanned } from './scan-job.ts';
import { SearchSorts } from './search-sorts.ts';
import { Uint32List } from './uint32-list.ts';
import { Uint8List } from './uint8-list.ts';

/** Prefixes whose headers are kept; the one that was not used for longest goes first. */
const mostPrefixes = 4;
/**
 * The rows of one space: quantised in blocks of the arena, where threads read them, and as float32. Rows are appended and never
 * altered; a dead row's bound is −Infinity, so it is never kept. A block holds the heads of its rows, their coarse headers, their
 * tails, their fine headers. Bytes a row in 256 dimensions: 280 in blocks, 1,024 float32, 17 for the lists, and 24 more for
 * each prefix that was asked for.
 */
export class SpaceRows {
  /** Bytes of a row's values, and of its head. */
  readonly width: number;
  readonly head: number;
  readonly rowsPerBlock: number;
  /** Addresses of the blocks, in order. */
  readonly blocks = new Uint32List();
  readonly #headers: RowHeaders;
  /** In the order of use. */
  readonly #prefixes = new Map<number, PrefixHeaders>();
  /** No longer used, but a search may still read them. */
  readonly #dropped: PrefixHeaders[] = [];
  readonly #values: Int8Array;
  readonly #owners = new Uint32List();
  readonly #parts = new Uint32List();
  readonly #kinds = new Uint8List();
  readonly #slots = new Uint32List();
  /** The first row of each item; its rows end where the next item's begin. */
  readonly #firstRows = new Uint32List();
  /** Rows by their kinds, dead or not, and those that live. */
  readonly #rows = new Uint32Array(anyKind + 1);
  readonly #live = new Uint32Array(anyKind + 1);
  /** The rows of some kinds, dead or not: for each set of kinds that was asked for, made up to a row. */
  readonly #byKinds = new Map<KindSet, { readonly rows: Uint32List; upTo: number }>();
  /** Whether a search reads the heads of rows first. */
  readonly sorts = new SearchSorts();
  /** Every item before the last has exactly one row. */
  #isOneToOne = true;

  constructor(
    private readonly arena: Arena,
    readonly floats: FloatVectors,
  ) {
    floats.use();
    this.width = paddedWidth(floats.dimension);
    this.head = headWidth(floats.dimension);
    this.rowsPerBlock = Math.floor(pageBytes / (this.width + coarseBytes + fineBytes));
    this.#values = new Int8Array(this.width);
    this.#headers = new RowHeaders(arena, this.rowsPerBlock, () => {
      const block = arena.allocate(pageBytes);
      this.blocks.push(block);
      return { coarse: block + this.rowsPerBlock * this.head, fine: block + this.rowsPerBlock * (this.width + coarseBytes) };
    });
  }

  get length(): number {
    return this.#owners.length;
  }

  /** Rows of some kinds that are not dead. */
  liveLength(kinds: KindSet): number {
    return countOf(this.#live, kinds);
  }

  /** The rows of some kinds, ascending, dead or not; nothing when all rows are. */
  ofKinds(kinds: KindSet): Uint32Array | undefined {
    if (this.#allHave(kinds)) return undefined;
    let known = this.#byKinds.get(kinds);
    if (!known) this.#byKinds.set(kinds, (known = { rows: new Uint32List(), upTo: 0 }));
    for (; known.upTo < this.length; known.upTo++) if (this.kinds(known.upTo) & kinds) known.rows.push(known.upTo);
    return known.rows.view();
  }

  /** Bytes of its blocks and of the headers of prefixes. */
  get bytes(): number {
    return [...this.#prefixes.values(), ...this.#dropped].reduce((sum, { bytes }) => sum + bytes, this.blocks.length * pageBytes);
  }

  /** Bytes of the lists beside them: owner, part, kinds and place of the float32 vector of each row, and the first row of each item. */
  get listBytes(): number {
    return 13 * this.length + 4 * this.#firstRows.length;
  }

  get dimension(): number {
    return this.floats.dimension;
  }

  /** Opens the next item; the rows added until the next call are its rows. */
  open(): void {
    this.#isOneToOne &&= this.length === this.#firstRows.length;
    this.#firstRows.push(this.length);
  }

  add(part: number, kinds: KindSet, vector: Float32Array): void {
    const slot = this.floats.add(vector);
    const values = this.#values;
    const scale = quantiseRow(vector, values);
    try {
      this.#headers.push(rowFigures(vector, values, { scale, head: this.head, prefix: this.dimension, length: 1 }));
    } catch (cause) {
      this.floats.remove(slot);
      throw cause; // the arena is full
    }
    const row = this.#append(part, kinds, slot);
    this.arena.int8.set(values.subarray(0, this.head), this.#headAt(row));
    this.arena.int8.set(values.subarray(this.head), this.#tailAt(row));
  }

  /** Appends a copy of a row of another generation, with its float32 vector unless both share one store. */
  copy(from: SpaceRows, row: number): void {
    const slot = from.#slots.at(row);
    const ownSlot = this.floats === from.floats ? slot : this.floats.add(from.floats.get(slot));
    this.#headers.pushFrom(from.#headers, row);
    const own = this.#append(from.part(row), from.kinds(row), ownSlot);
    const { uint8 } = this.arena;
    uint8.copyWithin(this.#headAt(own), from.#headAt(row), from.#headAt(row) + this.head);
    uint8.copyWithin(this.#tailAt(own), from.#tailAt(row), from.#tailAt(row) + this.width - this.head);
    for (const [dimensions, prefix] of from.#prefixes) {
      if (row >= prefix.headers.length) continue;
      let copied = this.#prefixes.get(dimensions);
      if (!copied) this.#prefixes.set(dimensions, (copied = new PrefixHeaders(this.arena, dimensions, this.rowsPerBlock)));
      if (copied.headers.length === own) copied.headers.pushFrom(prefix.headers, row); // it may be younger than the first copies
    }
  }

  /** Marks the item's rows dead, also for threads that scan right now, and drops their float32 vectors unless others own them. */
  kill(ordinal: number, ownsFloats = true): void {
    for (let row = this.firstRow(ordinal); row < this.endRow(ordinal); row++) {
      this.#headers.kill(row);
      for (const { headers } of this.#prefixes.values()) if (row < headers.length) headers.kill(row);
      if (ownsFloats) this.floats.remove(this.#slots.at(row));
      this.#live[this.kinds(row)]--;
    }
  }

  /**
   * Makes the headers of a prefix for at most `most` more rows: they are made when a prefix is first asked for and kept for a while.
   *
   * @returns whether all rows have theirs.
   */
  hasPrefix(dimensions = this.dimension, most = Infinity): boolean {
    if (dimensions === this.dimension) return true;
    const prefix = this.#prefixes.get(dimensions) ?? new PrefixHeaders(this.arena, dimensions, this.rowsPerBlock);
    this.#prefixes.delete(dimensions);
    this.#prefixes.set(dimensions, prefix);
    if (this.#prefixes.size > mostPrefixes) {
      const [[oldest, dropped]] = this.#prefixes;
      this.#prefixes.delete(oldest);
      this.#dropped.push(dropped);
    }
    const { headers } = prefix;
    const end = Math.min(this.length, headers.length + most);
    for (let row = headers.length; row < end; row++) {
      const vector = this.#headers.isDead(row) ? undefined : this.floats.get(this.#slots.at(row));
      const length = vector ? norm(vector, dimensions) : 0;
      if (!vector || length === 0) headers.push(); // zeros have no direction
      else headers.push(rowFigures(vector, this.#valuesOf(row), { scale: this.#headers.scale(row), head: this.head, prefix: dimensions, length }));
    }
    return end === this.length;
  }

  /** What a thread scans: all values, or a prefix that was made. */
  scanned(dimensions = this.dimension): Scanned {
    const { rowsPerBlock, head, width } = this;
    const { coarse, fine } = dimensions === this.dimension ? this.#headers : this.#prefixes.get(dimensions)!.headers;
    const tails = rowsPerBlock * (head + coarseBytes);
    return { blocks: this.blocks.view(), coarse: coarse.view(), fine: fine.view(), rowsPerBlock, headStride: head, tailStride: width - head, tails };
  }

  /** Frees headers that are no longer used. No search may be under way. */
  freeDropped(): void {
    for (const prefix of this.#dropped.splice(0)) prefix.free();
  }

  /** Each item has at most one row. */
  get isOneToOne(): boolean {
    return this.#isOneToOne && this.length <= this.#firstRows.length;
  }

  firstRow(ordinal: number): number {
    return this.#firstRows.at(ordinal);
  }

  endRow(ordinal: number): number {
    return ordinal + 1 < this.#firstRows.length ? this.#firstRows.at(ordinal + 1) : this.length;
  }

  /** The rows of some kinds of the items, in the order of the ordinals. */
  rowsOf(ordinals: Uint32Array, kinds: KindSet): Uint32Array {
    const isEach = this.#allHave(kinds);
    if (isEach && this.#isOneToOne && this.length === this.#firstRows.length) return ordinals; // each row has the ordinal of its item
    const firstRows = this.#firstRows.view();
    const list = new Uint32List(ordinals.length);
    for (let index = 0; index < ordinals.length; index++) {
      const ordinal = ordinals[index];
      const end = ordinal + 1 < firstRows.length ? firstRows[ordinal + 1] : this.length;
      for (let row = firstRows[ordinal]; row < end; row++) if (isEach || this.kinds(row) & kinds) list.push(row);
    }
    return list.view();
  }

  /** The item that a row belongs to. */
  owner(row: number): number {
    return this.#owners.at(row);
  }

  part(row: number): number {
    return this.#parts.at(row);
  }

  kinds(row: number): KindSet {
    return this.#kinds.at(row);
  }

  /** A copy. */
  vector(row: number): Float32Array {
    return this.floats.get(this.#slots.at(row)).slice();
  }

  /** Inner product of the row with a query; with a prefix of it that is shorter than the row, divided by both lengths. */
  score(row: number, query: Float32Array): number {
    const vector = this.floats.get(this.#slots.at(row));
    const product = innerProduct(query, vector);
    return query.length === this.dimension ? product : product / (norm(query, query.length) * norm(vector, query.length));
  }

  /** Frees the blocks. No thread may read them any more. */
  free(): void {
    for (const block of this.blocks.view()) this.arena.free(block, pageBytes);
    for (const prefix of this.#prefixes.values()) prefix.free();
    this.freeDropped();
    this.floats.leave();
  }

  #append(part: number, kinds: KindSet, slot: number): number {
    this.#owners.push(this.#firstRows.length - 1);
    this.#parts.push(part);
    this.#kinds.push(kinds);
    this.#rows[kinds]++;
    this.#live[kinds]++;
    this.#slots.push(slot);
    return this.length - 1;
  }

  #allHave(kinds: KindSet): boolean {
    return countOf(this.#rows, kinds) === this.length;
  }

  #headAt(row: number): number {
    return this.blocks.at(Math.floor(row / this.rowsPerBlock)) + (row % this.rowsPerBlock) * this.head;
  }

  #tailAt(row: number): number {
    const { rowsPerBlock, head, width } = this;
    return this.blocks.at(Math.floor(row / rowsPerBlock)) + rowsPerBlock * (head + coarseBytes) + (row % rowsPerBlock) * (width - head);
  }

  #valuesOf(row: number): Int8Array {
    const { int8 } = this.arena;
    this.#values.set(int8.subarray(this.#headAt(row), this.#headAt(row) + this.head));
    this.#values.set(int8.subarray(this.#tailAt(row), this.#tailAt(row) + this.width - this.head), this.head);
    return this.#values;
  }
}

/** Sums counts by sets of kinds over the sets that have one of `kinds`. */
const countOf = (counts: Uint32Array, kinds: KindSet) => counts.reduce((sum, count, set) => (set & kinds ? sum + count : sum), 0);
