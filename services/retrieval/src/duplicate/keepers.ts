/** Two items that are duplicates of each other. */
export interface DuplicatePair {
  /** The older one. */
  readonly keeper: string;
  readonly duplicate: string;
  /** The larger, the surer. */
  readonly strength: number;
  /** Somebody has decided that the duplicate is one of this keeper. */
  readonly isMerged?: boolean;
}

/**
 * Which items are duplicates, and of which item each is one: pairs, never chains. From the oldest item on, an item that is
 * similar to a keeper is its duplicate, and any other is a keeper itself. So
 *
 * - a duplicate is similar to its keeper itself: with A~B and B~C alone, A keeps B, and C stays apart;
 * - no keeper is a duplicate, and a keeper is older than its duplicates;
 * - no two items that are shown are similar, unless a decision by hand stands in between.
 *
 * @param items that occur in `pairs`, oldest first. @param pairs those that were dismissed are not among them.
 * @returns the keeper of each duplicate: the strongest of its pairs with a keeper, the older keeper on a tie.
 */
export function keepers(items: readonly string[], pairs: readonly DuplicatePair[]): Map<string, string> {
  const keeperOf = new Map<string, string>();
  const keeping = new Set<string>();
  for (const { keeper, duplicate } of pairs.filter(({ isMerged }) => isMerged)) {
    keeperOf.set(duplicate, keeper);
    keeping.add(keeper);
  }
  const towardsOlder = Map.groupBy(pairs, ({ duplicate }) => duplicate);
  const age = new Map(items.map((id, index) => [id, index]));
  for (const item of items) {
    if (keeperOf.has(item)) continue;
    const candidates = keeping.has(item) ? [] : (towardsOlder.get(item) ?? []).filter(({ keeper }) => keeping.has(keeper));
    const best = candidates.sort((a, b) => b.strength - a.strength || age.get(a.keeper)! - age.get(b.keeper)!).at(0);
    if (best) keeperOf.set(item, best.keeper);
    else keeping.add(item);
  }
  return keeperOf;
}
