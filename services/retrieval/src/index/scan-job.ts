import type { Arena } from './arena.ts';
import type { QuantisedQuery } from './quantisation.ts';

/** What is scanned for one search. */
export interface Scan {
  /** Addresses of the blocks of rows, in order. */
  readonly blocks: Uint32Array;
  readonly rowsPerBlock: number;
  readonly width: number;
  /** Ascending row numbers; all rows below `count` when absent. */
  readonly list?: Uint32Array;
  readonly count: number;
  readonly query: QuantisedQuery;
  /** Rows each slice keeps: k′. */
  readonly capacity: number;
}

/** Rows with their upper bounds, best first. */
export interface Kept {
  readonly rows: Uint32Array;
  readonly bounds: Float64Array;
  /** Upper bound of every row that was left out; -Infinity when none was. */
  readonly leftOut: number;
}

const jobBytes = 64;
const keptBytes = 16;
const align = (bytes: number) => Math.ceil(bytes / 16) * 16;

/** One scan in shared memory: a job for each slice, the query, the list of blocks, the list of rows, and room for the rows kept. */
export class ScanJobs {
  readonly #address: number;
  readonly #bytes: number;
  readonly #kept: number;
  readonly #capacity: number;

  constructor(
    private readonly arena: Arena,
    scan: Scan,
    private readonly slices: number,
  ) {
    const { blocks, list, query, count } = scan;
    const capacity = Math.min(scan.capacity, Math.ceil(count / slices));
    const queryAt = slices * jobBytes;
    const blocksAt = queryAt + align(query.planes.length);
    const listAt = blocksAt + align(4 * blocks.length);
    const keptAt = listAt + align(4 * (list?.length ?? 0));
    this.#bytes = keptAt + slices * capacity * keptBytes;
    this.#address = arena.allocate(this.#bytes);
    this.#kept = this.#address + keptAt;
    this.#capacity = capacity;

    const { uint8, uint32, float64 } = arena;
    const address = this.#address;
    uint8.set(query.planes, address + queryAt);
    uint32.set(blocks, (address + blocksAt) >>> 2);
    if (list) uint32.set(list, (address + listAt) >>> 2);
    for (let slice = 0; slice < slices; slice++) {
      // The layout of Job in ../../kernel/scan.ts.
      const from = Math.floor((count * slice) / slices);
      const to = Math.floor((count * (slice + 1)) / slices);
      const word = this.addressOf(slice) >>> 2;
      uint32[word] = address + queryAt;
      uint32[word + 1] = scan.width;
      uint32[word + 2] = address + blocksAt;
      uint32[word + 3] = scan.rowsPerBlock;
      uint32[word + 4] = list ? address + listAt : 0;
      uint32[word + 5] = from;
      uint32[word + 6] = to;
      uint32[word + 7] = this.#kept + slice * capacity * keptBytes;
      uint32[word + 8] = capacity;
      uint32[word + 9] = 0;
      float64[(word >>> 1) + 5] = query.scale;
      float64[(word >>> 1) + 6] = query.norm;
      float64[(word >>> 1) + 7] = query.error;
    }
  }

  addressOf(slice: number): number {
    return this.#address + slice * jobBytes;
  }

  /** Reads the result, once every slice is done. */
  kept(): Kept {
    const { uint32, float64 } = this.arena;
    const all: { row: number; bound: number }[] = [];
    let leftOut = -Infinity;
    for (let slice = 0; slice < this.slices; slice++) {
      const job = this.addressOf(slice) >>> 2;
      const length = uint32[job + 6] - uint32[job + 5];
      const count = uint32[job + 9];
      const first = this.#kept + slice * this.#capacity * keptBytes;
      for (let index = 0; index < count; index++) {
        const at = first + index * keptBytes;
        all.push({ bound: float64[at >>> 3], row: uint32[(at >>> 2) + 2] });
      }
      if (count === this.#capacity && count < length) leftOut = Math.max(leftOut, float64[first >>> 3]);
    }
    all.sort((a, b) => b.bound - a.bound);
    return { rows: Uint32Array.from(all, ({ row }) => row), bounds: Float64Array.from(all, ({ bound }) => bound), leftOut };
  }

  free(): void {
    this.arena.free(this.#address, this.#bytes);
  }
}
