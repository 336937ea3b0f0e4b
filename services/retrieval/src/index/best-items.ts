import type { Hit } from './vector-index.ts';

/** The best distinct items offered so far, each by its best part. Ties: the lower part of an item, then the lower id. */
export class BestItems {
  readonly #ranked: Hit[] = [];
  readonly #byId = new Map<string, Hit>();

  constructor(readonly limit: number) {}

  /** Best first. */
  get hits(): readonly Hit[] {
    return this.#ranked;
  }

  /** What a score must reach to matter; -Infinity while there is room. */
  get threshold(): number {
    return this.#ranked.length < this.limit ? -Infinity : this.#ranked[this.limit - 1].score;
  }

  offer(hit: Hit): void {
    if (hit.score < this.threshold) return;
    const known = this.#byId.get(hit.id);
    if (known) {
      if (known.score > hit.score || (known.score === hit.score && known.part <= hit.part)) return;
      this.#ranked.splice(this.#position(known), 1);
    }
    this.#ranked.splice(this.#position(hit), 0, hit);
    this.#byId.set(hit.id, hit);
    if (this.#ranked.length > this.limit) this.#byId.delete(this.#ranked.pop()!.id);
  }

  #position(hit: Hit): number {
    let low = 0;
    let high = this.#ranked.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#ranked[middle];
      if (other.score > hit.score || (other.score === hit.score && other.id < hit.id)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
