import type { Scanner } from './scanner.ts';
import { kernel } from './scan-worker.ts';
import type { SpaceRows } from './space-rows.ts';

/**
 * All pairs of similar rows, exactly, by threads: n²/2 pairs are ruled out by bounds, and only what remains is scored.
 *
 * **Prefix.** With x′ the quantised row of quantisation.ts, r its residual and both rows of length 1,
 *
 *     ⟨x, y⟩ ≤ ⟨x′, y′⟩ + r_x + (1 + r_x)·r_y                (x = x′ + what quantising lost)
 *     ⟨x′, y′⟩ ≤ ⟨x′, y′⟩_p + ‖x′‖_tail·‖y′‖_tail            (Cauchy–Schwarz beyond the first p values)
 *
 * so p bytes of a row and four figures rule out most pairs. The left row's values are halved to 7 bits for the fastest dot
 * product of WebAssembly, which costs √p/2·s_x·‖y′‖ more. Four right rows lie interleaved, so that a lane is a row.
 * **All values.** What passes has its bound from all values in integers: 0.01 to 0.02 above the score in 256 dimensions.
 * **Score.** What passes that is scored by the caller from its float32 vectors. No bound is an estimate: no pair is missed.
 */
export interface PairSource {
  /** Values of a row that the first bound reads: a multiple of 16, at most 512 and the row's width. */
  readonly prefix: number;
  readonly rows: SpaceRows;
  /** A row number for each position. */
  readonly list: Uint32Array;
}

/** Positions on both sides; a pair has its smaller position on the left. */
export interface Square {
  readonly leftFrom: number;
  readonly leftTo: number;
  readonly rightFrom: number;
  readonly rightTo: number;
}

/** Called with pairs of positions, at most `capacity` of them in a turn of the event loop. */
export type Found = (left: number, right: number) => void;

export interface FindOptions {
  readonly signal?: AbortSignal;
  /** Awaited by each thread's lane after it brought pairs: who cannot hold more makes it wait. */
  readonly room?: () => Promise<void>;
}

const jobBytes = 80;
const capacity = 4096;
/** Positions that one job prepares. */
const preparedAtOnce = 4096;
const figureBytes = 64;
const hashBytes = 32;
const align = (bytes: number) => Math.ceil(bytes / 16) * 16;

/** The shared memory of a search for pairs: the prepared rows, and room for one job of each thread. */
export class PairSearch {
  readonly #regions: { address: number; bytes: number }[] = [];
  readonly #groups: number;
  readonly #fields: readonly number[];

  private constructor(
    private readonly scanner: Scanner,
    readonly length: number,
    private readonly kernel: number,
    private readonly threshold: number,
    groupBytes: number,
    private readonly prefix = 0,
    source?: PairSource,
    private readonly head = source?.rows.head ?? 0,
  ) {
    this.#groups = this.#allocate(groupBytes);
    if (!source) {
      this.#fields = [this.#groups, 0, 0, 0, 0, 0];
      return;
    }
    const { rows, list } = source;
    const blocks = rows.blocks.view();
    const blocksAt = this.#allocate(4 * blocks.length);
    const listAt = this.#allocate(4 * list.length);
    scanner.arena.uint32.set(blocks, blocksAt >>> 2);
    scanner.arena.uint32.set(list, listAt >>> 2);
    this.#fields = [this.#groups, prefix, rows.width, blocksAt, rows.rowsPerBlock, listAt];
  }

  /** Rows whose inner product is at least `threshold`, a little less too: the caller scores them. The rows must stay until `close`. */
  static async ofRows(scanner: Scanner, source: PairSource, threshold: number): Promise<PairSearch> {
    const groups = Math.ceil(source.list.length / 4);
    const search = new PairSearch(scanner, source.list.length, kernel.findPairs, threshold, groups * (figureBytes + 4 * source.prefix), source.prefix, source);
    try {
      const starts = Array.from({ length: Math.ceil((4 * groups) / preparedAtOnce) }, (_, index) => index * preparedAtOnce);
      await search.#share(starts, async (start, job) => {
        search.#write(job, { leftFrom: start, leftTo: Math.min(start + preparedAtOnce, 4 * groups), rightFrom: 0, rightTo: 0 });
        scanner.arena.uint32[(job >>> 2) + 14] = search.length;
        await scanner.run(job, kernel.prepare);
      });
    } catch (error) {
      search.close();
      throw error;
    }
    return search;
  }

  /** Hashes of 32 bytes that differ in at most `distance` bits. */
  static ofHashes(scanner: Scanner, hashes: Uint8Array, distance: number): PairSearch {
    const search = new PairSearch(scanner, hashes.length / hashBytes, kernel.findHashPairs, distance, hashes.length);
    scanner.arena.uint8.set(hashes, search.#groups);
    return search;
  }

  /** Searches the squares on all threads, one job a thread at a time, so that a search of items waits for a few milliseconds at most. */
  async find(squares: Iterable<Square>, found: Found, { signal, room }: FindOptions = {}): Promise<void> {
    await this.#share(squares, async (square, job) => {
      const { uint32 } = this.scanner.arena;
      this.#write(job, square);
      const word = job >>> 2;
      do {
        signal?.throwIfAborted();
        await this.scanner.run(job, this.kernel);
        this.#read(job, square, found);
        await room?.();
      } while (uint32[word + 10] < uint32[word + 9]);
    });
  }

  close(): void {
    for (const { address, bytes } of this.#regions.splice(0)) this.scanner.arena.free(address, bytes);
  }

  /** Works off a list with as many jobs as there are threads. */
  async #share<T>(list: Iterable<T>, work: (each: T, job: number) => Promise<void>): Promise<void> {
    const queue = list[Symbol.iterator]();
    const bytes = jobBytes + 8 * capacity + 4 * this.prefix;
    let isFailed = false;
    const lane = async () => {
      const job = this.scanner.arena.allocate(bytes);
      try {
        for (let next = queue.next(); !next.done && !isFailed; next = queue.next()) await work(next.value, job);
      } catch (error) {
        isFailed = true;
        throw error;
      } finally {
        this.scanner.arena.free(job, bytes);
      }
    };
    // No thread may write into freed memory, so wait for all, also when one fails.
    const lanes = await Promise.allSettled(Array.from({ length: Math.max(1, this.scanner.workers) }, lane));
    const failed = lanes.find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** The layout of Job in ../../kernel/pairs.ts. */
  #write(job: number, { leftFrom, leftTo, rightFrom, rightTo }: Square): void {
    const { uint32, float64 } = this.scanner.arena;
    // Right rows come in groups of four; what lies outside of the square is dropped when it is read.
    const [from, to] = this.kernel === kernel.findPairs ? [rightFrom & ~3, Math.ceil(rightTo / 4) * 4] : [rightFrom, rightTo];
    const pairsAt = job + jobBytes;
    uint32.set([...this.#fields, leftFrom, leftTo, from, to, from, leftFrom, pairsAt, capacity, 0, pairsAt + 8 * capacity], job >>> 2);
    float64[(job >>> 3) + 8] = this.threshold;
    uint32[(job >>> 2) + 18] = this.head;
  }

  #read(job: number, { rightFrom, rightTo }: Square, found: Found): void {
    const { uint32 } = this.scanner.arena;
    const count = uint32[(job >>> 2) + 14];
    const at = (job + jobBytes) >>> 2;
    for (let index = 0; index < count; index++) {
      const right = uint32[at + 2 * index + 1];
      if (right >= rightFrom && right < rightTo) found(uint32[at + 2 * index], right);
    }
  }

  #allocate(bytes: number): number {
    const room = { address: this.scanner.arena.allocate(align(bytes)), bytes: align(bytes) };
    this.#regions.push(room);
    return room.address;
  }
}
