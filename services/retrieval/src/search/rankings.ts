import { type AttributeValue, type GroupBy, type Hit, type Kind, kinds } from '../index/vector-index.ts';
import { reciprocalRankFusion } from './reciprocal-rank-fusion.ts';

/** The best part of a group in one space, with its rank there, from 1. */
export interface SpaceMatch extends Hit {
  readonly space: string;
  readonly rank: number;
}

/** A group of an answer by its best hit. */
export interface RankedHit {
  readonly id: string;
  readonly part: number;
  readonly kinds: readonly Kind[];
  readonly space: string;
  readonly group?: AttributeValue;
  /** The cosine in the one space, or the fused score of several. */
  readonly score: number;
  /** One for each space that found the group. */
  readonly matches: readonly SpaceMatch[];
}

/**
 * One ranking of a space from those of several vectors: a group is as similar as its best pair of parts.
 *
 * @param rankings the first N of each vector, N not less than `limit`: then the first `limit` of all are right.
 */
export function bestOfVectors(rankings: readonly (readonly Hit[])[], groupBy: GroupBy, limit: number): readonly Hit[] {
  if (rankings.length === 1) return rankings[0].slice(0, limit);
  const best = new Map<string, Hit>();
  for (const hit of rankings.flat()) {
    const key = groupKey(hit, groupBy);
    const known = best.get(key);
    if (!known || compareHits(hit, known) < 0) best.set(key, hit);
  }
  return [...best.values()].sort(compareHits).slice(0, limit);
}

/** The ranking of one space as an answer. @param shown hits before the first. */
export function rankedInSpace(hits: readonly Hit[], space: string, shown: number): RankedHit[] {
  return hits.map((hit, index) => ({ ...hit, space, matches: [{ ...hit, space, rank: shown + index + 1 }] }));
}

/** One ranking of several spaces'; a hit shows the part that ranked best. */
export function fuse(rankings: readonly { readonly space: string; readonly hits: readonly Hit[] }[], groupBy: GroupBy): RankedHit[] {
  const matches = new Map<string, SpaceMatch[]>();
  const keys = rankings.map(({ space, hits }) =>
    hits.map((hit, index) => {
      // A part belongs to one space, so as groups of their own parts of two spaces never meet.
      const key = groupBy === 'part' ? `${space} ${groupKey(hit, groupBy)}` : groupKey(hit, groupBy);
      const match = { ...hit, space, rank: index + 1 };
      const known = matches.get(key);
      if (known) known.push(match);
      else matches.set(key, [match]);
      return key;
    }),
  );
  return reciprocalRankFusion(keys).map(({ id: key, score }) => {
    const found = matches.get(key)!;
    const { id, part, kinds: kindsOfPart, space, group } = found.reduce((best, match) => (match.rank < best.rank ? match : best));
    return { id, part, kinds: kindsOfPart, space, group, score, matches: found };
  });
}

/** Equal for hits of one group. */
export function groupKey({ id, part, kinds: [kind], group }: Hit, groupBy: GroupBy): string {
  if (groupBy === 'part') return JSON.stringify([id, part, kind]);
  if (groupBy === 'note') return id;
  if (groupBy === 'duplicateCluster') return String(group ?? id);
  return group === undefined ? JSON.stringify([id]) : JSON.stringify(group);
}

/** The order of the index: the better score first, then id, part and kind. */
export function compareHits(a: Hit, b: Hit): number {
  return b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) || a.part - b.part || kinds.indexOf(a.kinds[0]) - kinds.indexOf(b.kinds[0]);
}
