/** Reciprocal rank fusion, Cormack, Clarke and Büttcher, SIGIR 2009, doi:10.1145/1571941.1572114. */

/** The paper's constant: how little the first ranks differ. */
export const paperConstants = { k: 60 };

/**
 * Fuses several rankings of the same things into one.
 *
 * @param rankings lists of ids, best first, each id once a list.
 * @returns every id with the sum of 1/(k + rank) over the lists that have it, best first; equal sums by id.
 */
export function reciprocalRankFusion(rankings: readonly (readonly string[])[], { k } = paperConstants): { id: string; score: number }[] {
  const scores = new Map<string, number>();
  for (const ranking of rankings) {
    ranking.forEach((id, index) => scores.set(id, (scores.get(id) ?? 0) + 1 / (k + index + 1)));
  }
  return [...scores]
    .map(([id, score]) => ({ id, score }))
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}
