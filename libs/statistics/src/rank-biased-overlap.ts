/** Rank-biased overlap: Webber, Moffat, Zobel: A similarity measure for indefinite rankings, ACM TOIS 28 (2010), equation 32. */

/**
 * How alike two rankings are, 0 (nothing in common) to 1 (equal); the top counts most. Extrapolated: what is not shown is
 * taken to agree as what is.
 *
 * @param first       ids, best first, each once.
 * @param second      ids, best first, each once; may have another length.
 * @param persistence in (0, 1): the chance that a reader goes on to the next rank. With 0.9 the first ten weigh 86 %.
 * @throws RangeError for a persistence outside (0, 1).
 */
export function rankBiasedOverlap(first: readonly string[], second: readonly string[], persistence = 0.9): number {
  if (!(persistence > 0 && persistence < 1)) throw new RangeError(`persistence: expected a number between 0 and 1, got ${persistence}`);
  const [short, long] = first.length <= second.length ? [first, second] : [second, first];
  if (short.length === 0) return long.length === 0 ? 1 : 0;

  const inShort = new Set<string>();
  const inLong = new Set<string>();
  let overlap = 0;
  let overlapOfShort = 0;
  let sum = 0;
  for (let depth = 1; depth <= long.length; depth++) {
    const next = depth <= short.length ? short[depth - 1] : undefined;
    if (next !== undefined) inShort.add(next);
    inLong.add(long[depth - 1]);
    if (next !== undefined && inLong.has(next)) overlap += 1;
    if (long[depth - 1] !== next && inShort.has(long[depth - 1])) overlap += 1;
    if (depth === short.length) overlapOfShort = overlap;
    const unseen = depth > short.length ? (overlapOfShort * (depth - short.length)) / short.length : 0;
    sum += ((overlap + unseen) / depth) * persistence ** depth;
  }
  const last = (overlap - overlapOfShort) / long.length + overlapOfShort / short.length;
  return ((1 - persistence) / persistence) * sum + last * persistence ** long.length;
}
