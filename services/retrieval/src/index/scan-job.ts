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

const jobBytes = 80;
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
      float64[(word >>> 1) + 8] = query.coarseError;
    }
  }

  addressOf(slice: number): number {
    return this.#address + slice * jobBytes;
  }

  /** Reads the result, once every slice is done: merges the slices, each of which is sorted. */
  kept(): Kept {
    const { uint32, float64 } = this.arena;
    let leftOut = -Infinity;
    const heads: { at: number; end: number }[] = [];
    for (let slice = 0; slice < this.slices; slice++) {
      const job = this.addressOf(slice) >>> 2;
      const count = uint32[job + 9];
      const at = this.#kept + slice * this.#capacity * keptBytes;
      const end = at + count * keptBytes;
      heads.push({ at, end });
      if (count === this.#capacity && count < uint32[job + 6] - uint32[job + 5]) leftOut = Math.max(leftOut, float64[(end - keptBytes) >>> 3]);
    }
    const total = heads.reduce((sum, { at, end }) => sum + (end - at) / keptBytes, 0);
    const rows = new Uint32Array(total);
    const bounds = new Float64Array(total);
    for (let index = 0; index < total; index++) {
      let best: (typeof heads)[number] | undefined;
      for (const head of heads) if (head.at < head.end && !(best && float64[best.at >>> 3] >= float64[head.at >>> 3])) best = head;
      bounds[index] = float64[best!.at >>> 3];
      rows[index] = uint32[(best!.at >>> 2) + 2];
      best!.at += keptBytes;
    }
    return { rows, bounds, leftOut };
  }

  free(): void {
    this.arena.free(this.#address, this.#bytes);
  }
}
