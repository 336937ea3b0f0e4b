import { type Hit, kinds } from './vector-index.ts';

/** Best first: by score, then id, part and first kind, ascending. */
function compareHits(a: Hit, b: Hit): number {
  if (a.score !== b.score) return b.score - a.score;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return a.part - b.part || kinds.indexOf(a.kinds[0]) - kinds.indexOf(b.kinds[0]);
}

/**
 * The best groups of the hits offered so far, each by its best hit. Groups are keys of a map.
 *
 * @param limit    groups kept.
 * @param minScore hits below it do not count.
 * @param cursorScore what groups that are passed score at least.
 */
export class BestGroups {
  readonly #ranked: { readonly hit: Hit; readonly group: unknown }[] = [];
  readonly #byGroup = new Map<unknown, Hit>();
  readonly #passed = new Set<unknown>();

  constructor(
    readonly limit: number,
    readonly minScore = -Infinity,
    private readonly cursorScore = -Infinity,
  ) {}

  /** Best first. */
  get hits(): Hit[] {
    return this.#ranked.map(({ hit }) => hit);
  }

  get isFull(): boolean {
    return this.#ranked.length === this.limit;
  }

  /** What a score must reach to matter. */
  get threshold(): number {
    return this.isFull ? this.#ranked[this.limit - 1].hit.score : this.minScore;
  }

  /** Leaves out the group: its best hit was on a page before. To be called before anything of it is offered. */
  pass(group: unknown): void {
    this.#passed.add(group);
  }

  offer(hit: Hit, group: unknown): void {
    if (hit.score < this.threshold || this.#passed.has(group)) return;
    const known = this.#byGroup.get(group);
    if (known) {
      if (compareHits(known, hit) <= 0) return;
      this.#ranked.splice(this.#position(known), 1);
    }
    this.#ranked.splice(this.#position(hit), 0, { hit, group });
    this.#byGroup.set(group, hit);
    if (this.#ranked.length > this.limit) this.#byGroup.delete(this.#ranked.pop()!.group);
  }

  /** Groups kept or passed whose best hit scores more than `bound`. */
  above(bound: number): unknown[] {
    const passed = this.cursorScore > bound ? [...this.#passed] : [];
    return [...passed, ...this.#ranked.filter(({ hit }) => hit.score > bound).map(({ group }) => group)];
  }

  /** @returns whether nothing more of the group that scores at most `bound` can change the hits. */
  isSettled(group: unknown, bound: number): boolean {
    return bound < this.threshold || this.#passed.has(group) || (this.#byGroup.get(group)?.score ?? -Infinity) > bound;
  }

  #position(hit: Hit): number {
    let low = 0;
    let high = this.#ranked.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareHits(this.#ranked[middle].hit, hit) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
