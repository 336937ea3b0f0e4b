import type { Arena } from './arena.ts';
import type { QuantisedQuery } from './quantisation.ts';

/** Where rows and their headers lie in the arena. */
export interface Scanned {
  /** Addresses of the blocks of rows, of their coarse and of their fine headers, in order. */
  readonly blocks: Uint32Array;
  readonly coarse: Uint32Array;
  readonly fine: Uint32Array;
  readonly rowsPerBlock: number;
  /** Bytes of a row's head and tail, and where the tails of a block begin. */
  readonly headStride: number;
  readonly tailStride: number;
  readonly tails: number;
}

/** What is scanned for one search. */
export interface Scan extends Scanned {
  /** Ascending row numbers; all rows below `count` when absent. */
  readonly list?: Uint32Array;
  readonly count: number;
  readonly query: QuantisedQuery;
  /** Rows each slice keeps at most: k′. */
  readonly capacity: number;
  /** Rows that are enough when it is certain that they score more than all others: k, at most `capacity`. */
  readonly wanted: number;
  /** Reads the heads of rows first, then only those rows whose heads do not rule them out. */
  readonly readsHeads: boolean;
  /** Rows whose upper bound is not above it are not wanted: -Infinity when all are. */
  readonly floor: number;
}

/** Rows with their upper bounds, best first. */
export interface Kept {
  readonly rows: Uint32Array;
  readonly bounds: Float64Array;
  /** Upper bound of every row that was left out, at least the floor; -Infinity when none was. */
  readonly leftOut: number;
  /** Rows that were not ruled out by their heads. */
  readonly passed: number;
}

const jobBytes = 176;
/** Rows whose heads a thread reads before it reads whole ones: a multiple of `headGroup`. */
const headChunk = 65_536;
/** Heads of which the highest bound is kept. */
const headGroup = 64;
const keptBytes = 16;
const align = (bytes: number) => Math.ceil(bytes / 16) * 16;

/** One scan in shared memory: a job for each slice, the query, the list of blocks, the list of rows, and room for the rows kept. */
export class ScanJobs {
  readonly #address: number;
  readonly #bytes: number;
  readonly #kept: number;

  constructor(
    private readonly arena: Arena,
    scan: Scan,
    private readonly slices: number,
  ) {
    const { blocks, coarse, fine, list, query, count } = scan;
    const capacity = Math.min(scan.capacity, Math.ceil(count / slices));
    const queryAt = slices * jobBytes;
    const blocksAt = queryAt + align(query.planes.length);
    const coarseAt = blocksAt + align(4 * blocks.length);
    const fineAt = coarseAt + align(4 * coarse.length);
    const listAt = fineAt + align(4 * fine.length);
    const keptAt = listAt + align(4 * (list?.length ?? 0));
    const wanted = Math.min(scan.wanted, capacity);
    const chunk = scan.readsHeads ? Math.min(headChunk, headGroup * Math.ceil(count / slices / headGroup)) : 0;
    const seeds = Math.min(scan.capacity, chunk / headGroup);
    // For each slice: what is kept, lower bounds, and the scratch of the heads.
    const scratchBytes = chunk === 0 ? 0 : seeds * keptBytes + 4 * (chunk + 4 + chunk / headGroup);
    const sliceBytes = align((capacity + wanted) * keptBytes + scratchBytes);
    this.#bytes = keptAt + slices * sliceBytes;
    this.#address = arena.allocate(this.#bytes);
    this.#kept = this.#address + keptAt;
    const perRow = Math.floor(2 ** 40 / scan.rowsPerBlock) + 1; // exact for all rows of 65,536 blocks of at most 4,000 rows

    const { uint8, uint32, float32, float64 } = arena;
    const address = this.#address;
    uint8.set(query.planes, address + queryAt);
    uint32.set(blocks, (address + blocksAt) >>> 2);
    uint32.set(coarse, (address + coarseAt) >>> 2);
    uint32.set(fine, (address + fineAt) >>> 2);
    if (list) uint32.set(list, (address + listAt) >>> 2);
    for (let slice = 0; slice < slices; slice++) {
      // The layout of Job in ../../kernel/scan.ts.
      const from = Math.floor((count * slice) / slices);
      const to = Math.floor((count * (slice + 1)) / slices);
      const word = this.addressOf(slice) >>> 2;
      const width = query.planes.length / 2;
      const listed = list ? address + listAt : 0;
      const kept = this.#kept + slice * sliceBytes;
      const lowers = kept + capacity * keptBytes;
      const { float32: bounds } = query;
      uint32.set([address + queryAt, width, query.head, scan.headStride, scan.tailStride, address + blocksAt, scan.rowsPerBlock, scan.tails], word);
      uint32.set([address + coarseAt, address + fineAt, listed, from, to, kept, capacity, 0], word + 8);
      uint32.set([lowers, wanted, lowers + wanted * keptBytes, chunk, 0, seeds, perRow, perRow / 2 ** 32], word + 16);
      float64.set([query.scale, query.norm, query.error, query.coarseError, scan.floor], (word + 24) >>> 1);
      float32.set([bounds.scale, bounds.headSlack, bounds.headError, bounds.tailNorm, bounds.wholeSlack, bounds.wholeNorm, bounds.wholeError], word + 34);
    }
  }

  addressOf(slice: number): number {
    return this.#address + slice * jobBytes;
  }

  /** Reads the result, once every slice is done: merges the slices, each of which is sorted. */
  kept(): Kept {
    const { uint32, float64 } = this.arena;
    let leftOut = -Infinity;
    let passed = 0;
    const heads: { at: number; end: number }[] = [];
    for (let slice = 0; slice < this.slices; slice++) {
      const job = this.addressOf(slice) >>> 2;
      const count = uint32[job + 15];
      passed += uint32[job + 20];
      const at = uint32[job + 13];
      const end = at + count * keptBytes;
      heads.push({ at, end });
      if (count < uint32[job + 12] - uint32[job + 11]) leftOut = Math.max(leftOut, float64[(job >>> 1) + 16]);
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
    return { rows, bounds, leftOut, passed };
  }

  free(): void {
    this.arena.free(this.#address, this.#bytes);
  }
}
