import { type Arena, pageBytes } from './arena.ts';
import { FloatVectors, innerProduct } from './float-vectors.ts';
import { anyKind, type KindSet } from './kind-set.ts';
import { paddedWidth, quantiseRow, rowHeaderBytes } from './quantisation.ts';
import { Uint32List } from './uint32-list.ts';

/**
 * The rows of one space: quantised in blocks of the arena, where threads read them, and as float32. Rows are appended and
 * never altered; a dead row has residual −Infinity, hence the bound −Infinity, and is never kept. Bytes a row in 256
 * dimensions: 272 quantised, 1,024 float32, 16 to 32 for the four lists.
 */
export class SpaceRows {
  /** Bytes of a row's values. */
  readonly width: number;
  readonly rowsPerBlock: number;
  /** Addresses of the blocks, in order. */
  readonly blocks = new Uint32List();
  readonly #stride: number;
  readonly #owners = new Uint32List();
  readonly #parts = new Uint32List();
  readonly #kinds = new Uint32List();
  readonly #slots = new Uint32List();
  /** The first row of each item; its rows end where the next item's begin. */
  readonly #firstRows = new Uint32List();
  /** Live rows by their kinds. */
  readonly #live = new Uint32Array(anyKind + 1);
  /** The rows of some kinds, dead or not: for each set of kinds that was asked for, made up to a row. */
  readonly #byKinds = new Map<KindSet, { readonly rows: Uint32List; upTo: number }>();
  /** Rows by their kinds, dead or not. */
  readonly #rows = new Uint32Array(anyKind + 1);
  /** Every item before the last has exactly one row. */
  #isOneToOne = true;

  constructor(
    private readonly arena: Arena,
    readonly floats: FloatVectors,
  ) {
    this.width = paddedWidth(floats.dimension);
    this.#stride = rowHeaderBytes + this.width;
    this.rowsPerBlock = Math.floor(pageBytes / this.#stride);
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

  /** Bytes of its blocks. */
  get bytes(): number {
    return this.blocks.length * pageBytes;
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
    const address = this.#append(part, kinds, this.floats.add(vector));
    const values = this.arena.int8.subarray(address + rowHeaderBytes, address + this.#stride);
    const { scale, residual, norm, sum } = quantiseRow(vector, values);
    this.arena.float32[address >> 2] = scale;
    this.arena.float32[(address >> 2) + 1] = residual;
    this.arena.float32[(address >> 2) + 2] = norm;
    this.arena.int32[(address >> 2) + 3] = sum;
  }

  /** Appends a copy of a row of another generation, with its float32 vector unless both share one store. */
  copy(from: SpaceRows, row: number): void {
    const slot = from.#slots.at(row);
    const address = this.#append(from.part(row), from.kinds(row), this.floats === from.floats ? slot : this.floats.add(from.floats.get(slot)));
    const source = from.#address(row);
    this.arena.uint8.copyWithin(address, source, source + this.#stride);
  }

  /** Marks the item's rows dead, also for threads that scan right now, and drops their float32 vectors. */
  kill(ordinal: number): void {
    for (let row = this.firstRow(ordinal); row < this.endRow(ordinal); row++) {
      this.arena.float32[(this.#address(row) >> 2) + 1] = -Infinity;
      this.floats.remove(this.#slots.at(row));
      this.#live[this.kinds(row)]--;
    }
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

  vector(row: number): Float32Array {
    return this.floats.get(this.#slots.at(row));
  }

  score(row: number, query: Float32Array): number {
    return innerProduct(query, this.vector(row));
  }

  /** Frees the blocks. No thread may read them any more. */
  free(): void {
    for (const block of this.blocks.view()) this.arena.free(block, pageBytes);
  }

  #append(part: number, kinds: KindSet, slot: number): number {
    const row = this.length;
    if (row === this.blocks.length * this.rowsPerBlock) this.blocks.push(this.arena.allocate(pageBytes));
    this.#owners.push(this.#firstRows.length - 1);
    this.#parts.push(part);
    this.#kinds.push(kinds);
    this.#rows[kinds]++;
    this.#live[kinds]++;
    this.#slots.push(slot);
    return this.#address(row);
  }

  #allHave(kinds: KindSet): boolean {
    return countOf(this.#rows, kinds) === this.length;
  }

  #address(row: number): number {
    return this.blocks.at(Math.floor(row / this.rowsPerBlock)) + (row % this.rowsPerBlock) * this.#stride;
  }
}

/** Sums counts by sets of kinds over the sets that have one of `kinds`. */
const countOf = (counts: Uint32Array, kinds: KindSet) => counts.reduce((sum, count, set) => (set & kinds ? sum + count : sum), 0);
