/** Measures of a ranking against known relevant items: Manning, Raghavan, Schütze: Introduction to Information Retrieval, 2008, chapter 8. */

/** Grade of every relevant item by id, above 0; others are irrelevant. */
export type Judgements = ReadonlyMap<string, number>;

/** Share of the relevant items that are among the first k. */
export function recallAt(k: number, ranking: readonly string[], relevant: Judgements): number {
  return found(k, ranking, relevant) / relevant.size;
}

/** Share of k places that relevant items take; a ranking that is shorter wastes the rest. */
export function precisionAt(k: number, ranking: readonly string[], relevant: Judgements): number {
  return found(k, ranking, relevant) / k;
}

/**
 * Discounted gain of the first k over that of the best order, 0 to 1: Järvelin, Kekäläinen, ACM TOIS 20 (2002), with the
 * grade itself as gain and the discount log₂(rank + 1) of trec_eval.
 */
export function ndcgAt(k: number, ranking: readonly string[], relevant: Judgements): number {
  const best = [...relevant.values()].sort((a, b) => b - a);
  return discountedGain(k, ranking.map((id) => relevant.get(id) ?? 0)) / discountedGain(k, best);
}

/** 1 / rank of the first relevant item, 0 without one; its mean over queries is MRR. */
export function reciprocalRank(ranking: readonly string[], relevant: Judgements): number {
  const place = ranking.findIndex((id) => relevant.has(id));
  return place < 0 ? 0 : 1 / (place + 1);
}

function found(k: number, ranking: readonly string[], relevant: Judgements): number {
  return ranking.slice(0, k).filter((id) => relevant.has(id)).length;
}

function discountedGain(k: number, grades: readonly number[]): number {
  return grades.slice(0, k).reduce((sum, grade, index) => sum + grade / Math.log2(index + 2), 0);
}
