/** Two items that are duplicates of each other. */
export interface DuplicatePair {
  readonly keeper: string;
  readonly duplicate: string;
}

/**
 * Which items are duplicates, and of which item each is one: pairs, never chains. From the oldest item on, an item that is
 * similar to a keeper is its duplicate, and any other is a keeper itself. So
 *
 * - a duplicate is similar to its keeper itself: with A~B and B~C alone, A keeps B, and C stays apart;
 * - no keeper is a duplicate, and a keeper is older than its duplicates;
 * - no two items that are shown are similar, unless a decision by hand stands in between.
 *
 * Pairs come one by one, so that only what was decided is held. Those that were dismissed are not among them.
 */
export class Keepers {
  readonly #keeperOf = new Map<string, string>();
  /** Decided by hand. */
  readonly #keeping = new Set<string>();

  constructor(merged: Iterable<DuplicatePair>) {
    for (const { keeper, duplicate } of merged) {
      this.#keeperOf.set(duplicate, keeper);
      this.#keeping.add(keeper);
    }
  }

  /** The keeper of each duplicate: the strongest of its pairs with a keeper, the older keeper on a tie. */
  get keeperOf(): ReadonlyMap<string, string> {
    return this.#keeperOf;
  }

  /**
   * Takes a pair. They come by their duplicates, the oldest first; of one duplicate the strongest first, and of equal ones that with the
   * older keeper.
   *
   * @param isOlder whether the keeper is: times change after a pair was found.
   */
  offer({ keeper, duplicate }: DuplicatePair, isOlder: boolean): void {
    if (this.#keeperOf.has(duplicate) || this.#keeping.has(duplicate)) return;
    if (this.#keeping.has(keeper) || (isOlder && !this.#keeperOf.has(keeper))) this.#keeperOf.set(duplicate, keeper);
  }
}
