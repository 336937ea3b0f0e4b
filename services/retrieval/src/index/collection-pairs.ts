import type { Entry, Generation } from './generation.ts';
import { type KindSet, kindSet, kindsOf } from './kind-set.ts';
import { pairPrefix } from './pair-prefix.ts';
import { type FindOptions, PairSearch, type Square } from './pair-search.ts';
import { quantiseQuery } from './quantisation.ts';
import type { Scanner } from './scanner.ts';
import type { SpaceRows } from './space-rows.ts';
import type { Kind } from './vector-index.ts';

/** Positions on a side of a job's square: some 4 million pairs, a few milliseconds of one thread. */
const side = 2048;
const sampleSize = 96;
/** Rows of the background that are scored for one row. */
const scoredOfBackground = 64;

/** Two parts of different items whose vectors are similar. `a` comes before `b` in the order of ids. */
export interface PartPair {
  readonly a: { readonly id: string; readonly part: number; readonly position: number };
  readonly b: { readonly id: string; readonly part: number; readonly position: number };
  /** What both vectors are made from: the kind that is searched, and others. */
  readonly kinds: readonly Kind[];
  /** Their inner product: the cosine. */
  readonly score: number;
}

/** A sample of rows that a row's similarity is compared with. */
export interface Background {
  /** For each position asked for, the mean of its `neighbours` highest similarities in the sample that are below the threshold. */
  bias(position: number): Promise<number>;
}

/**
 * All pairs of similar parts of one kind in one space, as the collection was when this was made; what is written later is not
 * in it, and what is deleted or replaced leaves it. Items are in the order of their ids, so that blocks of them mean the same
 * in a process that goes on with the work of another. Making it sorts the ids on the event loop: 60 ms for 100,000.
 */
export class CollectionPairs {
  readonly #entries: Entry[] = [];
  readonly #list: Uint32Array;
  /** First position of each entry, and the end of the last. */
  readonly #starts: number[] = [0];
  #search: Promise<PairSearch> | undefined;

  constructor(
    private readonly scanner: Scanner,
    private readonly generation: Generation,
    private readonly rows: SpaceRows,
    kind: Kind,
    private readonly threshold: number,
  ) {
    const wanted: KindSet = kindSet([kind]);
    const list: number[] = [];
    for (const entry of generation.entries.filter(({ isLive }) => isLive).sort((a, b) => (a.id < b.id ? -1 : 1))) {
      for (let row = rows.firstRow(entry.ordinal); row < rows.endRow(entry.ordinal); row++) if (rows.kinds(row) & wanted) list.push(row);
      if (list.length === this.#starts.at(-1)) continue;
      this.#entries.push(entry);
      this.#starts.push(list.length);
    }
    this.#list = Uint32Array.from(list);
    generation.acquire();
  }

  /** Parts. */
  get length(): number {
    return this.#list.length;
  }

  /** The first id of each block of items that is searched at once. */
  blocks(): string[] {
    const blocks: string[] = [];
    let from = -side;
    this.#entries.forEach(({ id }, index) => {
      if (this.#starts[index] < from + side) return;
      blocks.push(id);
      from = this.#starts[index];
    });
    return blocks;
  }

  /**
   * Finds every pair of a part in block `block` and one in it or a later block, whose score is at least the threshold.
   *
   * @param blocks of this collection, now or in a process before; items before the first block belong to it.
   */
  async find(blocks: readonly string[], block: number, found: (pair: PartPair) => void, options?: FindOptions): Promise<void> {
    this.#search ??= PairSearch.ofRows(this.scanner, { rows: this.rows, list: this.#list, prefix: this.#prefix() }, this.threshold);
    const search = await this.#search;
    const ends = [...blocks.slice(1).map((id) => this.#positionOf(id)), this.length];
    const from = block === 0 ? 0 : ends[block - 1];
    await search.find(squares(from, ends[block], this.length), (left, right) => this.#offer(left, right, found), options);
  }

  /**
   * A background for score normalisation.
   *
   * @param hash of an id: the parts of the `size` items with the lowest hash are the sample, so that it stays much the same while items come and go.
   */
  background({ size, neighbours, hash }: { size: number; neighbours: number; hash: (id: string) => number }): Background {
    const chosen = this.#entries.map(({ id }, index) => ({ index, hash: hash(id) })).sort((a, b) => a.hash - b.hash || a.index - b.index).slice(0, size);
    const rows = chosen.flatMap(({ index }) => [...this.#list.subarray(this.#starts[index], this.#starts[index + 1])]);
    const list = Uint32Array.from(rows).sort();
    const known = new Map<number, Promise<number>>();
    return {
      bias: (position) => {
        let bias = known.get(position);
        if (!bias) known.set(position, (bias = this.#bias(position, list, neighbours)));
        return bias;
      },
    };
  }

  /** Gives memory back. Nothing may be under way. */
  close(): void {
    this.#search?.then((search) => search.close(), () => undefined);
    this.generation.release();
  }

  async #bias(position: number, list: Uint32Array, neighbours: number): Promise<number> {
    const { rows, generation } = this;
    const owner = this.#owner(position);
    if (!owner.isLive) return 0;
    const vector = rows.vector(this.#list[position]);
    const query = quantiseQuery(vector, rows.head);
    const kept = await this.scanner.scan({ ...rows.scanned(), list, count: list.length, query, capacity: scoredOfBackground + neighbours, wanted: scoredOfBackground + neighbours, readsHeads: false, floor: -Infinity });
    const scores = [...kept.rows]
      .filter((row) => generation.entries[rows.owner(row)].isLive && generation.entries[rows.owner(row)] !== owner)
      .map((row) => rows.score(row, vector))
      .filter((score) => score < this.threshold)
      .sort((a, b) => b - a)
      .slice(0, neighbours);
    return scores.length === 0 ? 0 : scores.reduce((sum, score) => sum + score, 0) / scores.length;
  }

  #offer(left: number, right: number, found: (pair: PartPair) => void): void {
    const [a, b] = [this.#owner(left), this.#owner(right)];
    // The float32 vectors of a dead row may be another row's by now.
    if (a === b || !a.isLive || !b.isLive) return;
    const score = this.rows.score(this.#list[right], this.rows.vector(this.#list[left]));
    if (score < this.threshold) return;
    const [rowA, rowB] = [this.#list[left], this.#list[right]];
    found({
      a: { id: a.id, part: this.rows.part(rowA), position: left },
      b: { id: b.id, part: this.rows.part(rowB), position: right },
      kinds: kindsOf(this.rows.kinds(rowA) & this.rows.kinds(rowB)),
      score,
    });
  }

  #owner(position: number): Entry {
    return this.generation.entries[this.rows.owner(this.#list[position])];
  }

  /** Of the first part of the first item that is not before the id. */
  #positionOf(id: string): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle].id < id) low = middle + 1;
      else high = middle;
    }
    return this.#starts[low];
  }

  #prefix(): number {
    const step = Math.max(1, Math.floor(this.length / sampleSize));
    const sample = Array.from({ length: Math.min(sampleSize, this.length) }, (_, index) => this.#list[index * step]);
    const live = sample.filter((row) => this.generation.entries[this.rows.owner(row)].isLive);
    return pairPrefix({ sample: live.map((row) => this.rows.vector(row)), threshold: this.threshold });
  }
}

/** Squares of the pairs between positions from `from` to `to` and those from `from` to `end`. */
function* squares(from: number, to: number, end: number): Generator<Square> {
  for (let leftFrom = from; leftFrom < to; leftFrom += side) {
    for (let rightFrom = leftFrom; rightFrom < end; rightFrom += side) {
      yield { leftFrom, leftTo: Math.min(leftFrom + side, to), rightFrom, rightTo: Math.min(rightFrom + side, end) };
    }
  }
}
