import { BestGroups } from './best-groups.ts';
import type { Entry, Generation } from './generation.ts';
import { type Grouping, groupingOf } from './grouping.ts';
import { anyKind, type KindSet, kindSet, kindsOf } from './kind-set.ts';
import { norm } from './float-vectors.ts';
import { type QuantisedQuery, quantiseQuery } from './quantisation.ts';
import type { Kept, Scan, Scanned } from './scan-job.ts';
import type { SearchSort } from './search-sorts.ts';
import type { SpaceRows } from './space-rows.ts';
import { type Filter, type Hit, type IndexQuery, kinds as kindOrder } from './vector-index.ts';

/** One search, from its candidates to the proof of its answer: what was scanned and scored so far. quantisation.ts has the proof. */
export class RunningSearch {
  /** Entries written since the search began, whatever became of them. */
  readonly written: Entry[] = [];
  /** Live rows that could be hits when it began. */
  readonly examined: number;
  readonly #filter: Filter | undefined;
  readonly #kinds: KindSet;
  readonly #length: number;
  readonly #excluded: ReadonlySet<string>;
  /** As many of the query's numbers as are compared. */
  readonly #vector: Float32Array;
  readonly #quantised: QuantisedQuery;
  readonly #floor: number;
  readonly #scanned: Scanned;
  /** Rows that could be hits, ascending; all rows when absent. */
  readonly #candidates: Uint32Array | undefined;
  readonly #grouping: Grouping;
  /** What the scans kept: the last, and those before whose rows the last one left out. */
  #kept: Kept[] = [];
  /** Groups that later scans leave out, with a bound of their rows that were not kept. */
  readonly #settled = new Map<unknown, number>();
  /** Rows that will probably be enough groups; unknown after the first scan. */
  #enough: number | undefined;
  #sort: SearchSort | undefined;
  #readsHeads = false;
  readonly #scores = new Map<number, number>();

  /** @throws RangeError for a filter or kinds that make no sense. */
  constructor(
    private readonly query: IndexQuery,
    private readonly generation: Generation,
    private readonly rows: SpaceRows,
  ) {
    const { filter, kinds, exclude, vector, dimensions = rows.dimension, groupBy = 'note', minScore = -Infinity } = query;
    this.#filter = filter && 'all' in filter && filter.all.length === 0 ? undefined : filter;
    this.#kinds = kinds ? kindSet(kinds) : anyKind;
    this.#length = rows.length;
    this.#excluded = new Set(exclude);
    this.#vector = vector.subarray(0, dimensions);
    this.#quantised = quantiseQuery(this.#vector, rows.head, dimensions === rows.dimension ? 1 : norm(vector, dimensions));
    this.#scanned = rows.scanned(dimensions);
    // A little below, so that what scores just as much is wanted.
    this.#floor = minScore - Math.abs(minScore) * 2 ** -50 - Number.MIN_VALUE;
    this.#candidates = this.#filter ? generation.liveRows(rows, this.#kinds, this.#filter) : rows.ofKinds(this.#kinds);
    this.examined = this.#filter ? this.#candidates!.length : rows.liveLength(this.#kinds);
    this.#grouping = groupingOf(groupBy, generation);
    if (query.after === undefined && typeof groupBy === 'string') {
      const isRowEach = groupBy === 'part' || (groupBy === 'note' && rows.isOneToOne);
      this.#enough = (isRowEach ? query.limit : 2 * query.limit + 8) + this.#excluded.size;
    }
  }

  /** What is to be scanned next. @param capacity rows that a thread keeps. */
  scan(capacity: number): Scan {
    const wanted = this.#enough ?? capacity;
    this.#enough = undefined;
    let list = this.#candidates;
    if (this.#settled.size > 0) {
      const isSettled = this.#grouping.among!(new Set(this.#settled.keys()));
      const isOpen = (row: number) => !isSettled(this.rows.owner(row));
      list = list?.filter(isOpen) ?? Uint32Array.from({ length: this.#length }, (_, row) => row).filter(isOpen);
    }
    const count = list?.length ?? this.#length;
    this.#sort = { dimensions: this.#vector.length, count, wanted };
    this.#readsHeads = this.rows.sorts.readsHeads(this.#sort);
    return { ...this.#scanned, ...this.#sort, list, query: this.#quantised, capacity, readsHeads: this.#readsHeads, floor: this.#floor };
  }

  add(kept: Kept): void {
    if (this.#readsHeads) this.rows.sorts.learn(this.#sort!, kept.passed);
    if (this.#settled.size === 0) this.#kept = [];
    this.#kept.push(kept);
  }

  /**
   * Ranks what was kept and what was written meanwhile.
   *
   * @param now the generation that live entries belong to.
   * @returns the hits when they are proven to be the best; otherwise nothing, and the next scan must look deeper.
   */
  proven(now: Generation): readonly Hit[] | undefined {
    const best = this.#ranked(now);
    const { leftOut } = this.#kept.at(-1)!;
    // What settled a group may have been deleted or changed meanwhile: then all of it counts again.
    const unsettled = [...this.#settled].filter(([group, bound]) => !best.isSettled(group, bound));
    for (const [group] of unsettled) this.#settled.delete(group);
    if (unsettled.length > 0) return undefined;
    if (leftOut === -Infinity || leftOut < best.threshold) return best.hits;
    // Too few groups among so many rows: those that are found need not be scanned again.
    if (!best.isFull && this.#grouping.among) for (const group of best.above(leftOut)) if (!this.#settled.has(group)) this.#settled.set(group, leftOut);
    return undefined;
  }

  #ranked(now: Generation): BestGroups {
    const { limit, minScore, after } = this.query;
    const best = new BestGroups(limit, minScore, after?.score);
    if (after) {
      this.#eachHit(now, () => after.score, (hit, group) => {
        if (!isBelow(hit, after)) best.pass(group);
      });
    }
    this.#eachHit(now, () => best.threshold, (hit, group) => best.offer(hit, group));
    return best;
  }

  /** Calls `use` with each live hit that may score at least the bound, which may rise meanwhile. */
  #eachHit(now: Generation, bound: () => number, use: (hit: Hit, group: unknown) => void): void {
    const { space, groupBy = 'note' } = this.query;
    const grouping = groupingOf(groupBy, now);
    const offer = (entry: Entry, rows: SpaceRows, row: number, score: number) => {
      if (Number.isNaN(score)) return; // a prefix of zeros has no direction
      const part = rows.part(row);
      const rowKinds = rows.kinds(row);
      use({ id: entry.id, score, kinds: kindsOf(rowKinds), part, group: grouping.shown(entry) }, grouping.key(entry, part, rowKinds));
    };
    const current = now.spaces.get(space)!;
    for (const entry of this.written) {
      if (!entry.isLive || this.#excluded.has(entry.id) || (this.#filter && !now.isMatch(this.#filter, entry))) continue;
      for (const row of current.rowsOf(Uint32Array.of(entry.ordinal), this.#kinds)) offer(entry, current, row, current.score(row, this.#vector));
    }
    for (const { rows, bounds } of this.#kept) {
      for (let index = 0; index < rows.length && bounds[index] >= bound(); index++) {
        const entry = this.generation.entries[this.rows.owner(rows[index])];
        if (entry.isLive && !this.#excluded.has(entry.id)) offer(entry, this.rows, rows[index], this.#score(rows[index]));
      }
    }
  }

  #score(row: number): number {
    let score = this.#scores.get(row);
    if (score === undefined) this.#scores.set(row, (score = this.rows.score(row, this.#vector)));
    return score;
  }
}

/** @returns whether the hit ranks strictly below the cursor. */
function isBelow(hit: Hit, { score, id, part, kind }: NonNullable<IndexQuery['after']>): boolean {
  if (hit.score !== score) return hit.score < score;
  if (hit.id !== id) return hit.id > id;
  if (hit.part !== part) return hit.part > part;
  return kind !== undefined && kindOrder.indexOf(hit.kinds[0]) > kindOrder.indexOf(kind);
}
