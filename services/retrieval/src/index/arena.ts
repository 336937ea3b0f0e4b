/** One page of WebAssembly memory, and the size of a block of rows. */
export const pageBytes = 65_536;
const maximumPages = 65_536;

/**
 * The shared memory of all collections, cut into runs of 1, 2, 4 … pages with a free list for each size: a collection grows
 * by another block and copies nothing, and hundreds of small ones share one address space (every shared WebAssembly.Memory
 * reserves its maximum, so one for each collection would exhaust it). At most 4 GiB; freed runs are used again, never
 * returned to the system before the whole arena goes.
 */
export class Arena {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: maximumPages, shared: true });
  readonly #free: number[][] = [];
  #end = 1; // page 0 is never handed out, so that address 0 means none
  #pages = 1;
  #usedPages = 0;
  int8!: Int8Array;
  uint8!: Uint8Array;
  int32!: Int32Array;
  uint32!: Uint32Array;
  float32!: Float32Array;
  float64!: Float64Array;

  constructor() {
    this.#view();
  }

  /** Bytes handed out and not yet freed. */
  get usedBytes(): number {
    return this.#usedPages * pageBytes;
  }

  /** @returns the address of a run of at least `bytes` bytes with old content; growth replaces the views of this arena. */
  allocate(bytes: number): number {
    const order = orderOf(bytes);
    const pages = 2 ** order;
    const address = this.#free[order]?.pop() ?? this.#extend(pages);
    this.#usedPages += pages;
    return address;
  }

  /** Gives back a run with the `bytes` it was asked for. */
  free(address: number, bytes: number): void {
    const order = orderOf(bytes);
    (this.#free[order] ??= []).push(address);
    this.#usedPages -= 2 ** order;
  }

  #extend(pages: number): number {
    const end = this.#end + pages;
    if (end > maximumPages) throw new RangeError(`The vector index is full: ${pages} more pages do not fit into its 4 GiB.`);
    if (end > this.#pages) {
      const growth = Math.min(Math.max(end - this.#pages, 16, this.#pages >> 3), maximumPages - this.#pages);
      this.memory.grow(growth);
      this.#pages += growth;
      this.#view();
    }
    const address = this.#end * pageBytes;
    this.#end = end;
    return address;
  }

  #view(): void {
    const { buffer } = this.memory;
    this.int8 = new Int8Array(buffer);
    this.uint8 = new Uint8Array(buffer);
    this.int32 = new Int32Array(buffer);
    this.uint32 = new Uint32Array(buffer);
    this.float32 = new Float32Array(buffer);
    this.float64 = new Float64Array(buffer);
  }
}

/** Power of two of the pages that hold `bytes`. */
const orderOf = (bytes: number) => Math.ceil(Math.log2(Math.max(1, Math.ceil(bytes / pageBytes))));
