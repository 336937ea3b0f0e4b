/**
 * Names that may have been meant: at most a third of the letters wrong, the nearest first.
 *
 * Distance: insertions, deletions, replacements and swaps of neighbours (optimal string alignment), without regard to case.
 */
export function nearNames(name: string, known: readonly string[], limit = 3): string[] {
  const wanted = name.toLowerCase();
  const mostEdits = (each: string) => Math.max(1, Math.floor(Math.max(each.length, name.length) / 3));
  return known
    .filter((each) => Math.abs(each.length - name.length) <= mostEdits(each))
    .map((each) => ({ each, distance: alignmentDistance(wanted, each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= mostEdits(each))
    .sort((a, b) => a.distance - b.distance || (a.each < b.each ? -1 : 1))
    .slice(0, limit)
    .map(({ each }) => each);
}

/** Fewest edits that make `a` into `b`. */
export function alignmentDistance(a: string, b: string): number {
  let twoAbove: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      let best = Math.min(above[column] + 1, current[column - 1] + 1, above[column - 1] + (isSame ? 0 : 1));
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isSwap) best = Math.min(best, twoAbove[column - 2] + 1);
      current.push(best);
    }
    twoAbove = above;
    above = current;
  }
  return above[b.length];
}
