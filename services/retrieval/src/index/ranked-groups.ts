import { milvusKey } from './milvus-expression.ts';
import { type AttributeValue, type Hit, type IndexQuery, type Kind, kinds } from './vector-index.ts';

/** A row that another store found and scored. */
export interface RankedRow {
  readonly id: string;
  /** Of the write that made it: an item's newest rows count alone. */
  readonly position: number;
  readonly score: number;
  readonly kinds: readonly Kind[];
  readonly part: number;
  readonly keeper?: string;
  readonly fields?: Readonly<Record<string, AttributeValue | readonly AttributeValue[]>>;
}

/** The answer to a query out of rows that a store found, in any order: one hit of each group, best first. */
export class RankedGroups {
  readonly hits: readonly Hit[];
  /** Whether rows were left out because they score too little: no other row can matter. */
  readonly isBelowMinimum: boolean;

  constructor(
    private readonly query: Pick<IndexQuery, 'limit' | 'groupBy' | 'after' | 'minScore'>,
    rows: readonly RankedRow[],
  ) {
    const newest = new Map<string, number>();
    for (const { id, position } of rows) newest.set(id, Math.max(position, newest.get(id) ?? 0));
    const { limit, after, minScore = -Infinity } = query;
    const ranked = rows.filter(({ id, position }) => position === newest.get(id)).sort(byRank);
    this.isBelowMinimum = ranked.some(({ score }) => score < minScore);

    const seen = new Set<string>();
    const hits: Hit[] = [];
    for (const row of ranked) {
      if (hits.length === limit || row.score < minScore) break;
      const { key, group } = this.#groupOf(row);
      if (seen.has(key)) continue;
      seen.add(key);
      if (after && !isBelow(row, after)) continue;
      hits.push({ id: row.id, score: row.score, kinds: row.kinds, part: row.part, ...(group === undefined ? {} : { group }) });
    }
    this.hits = hits;
  }

  get isFull(): boolean {
    return this.hits.length === this.query.limit;
  }

  #groupOf({ id, part, kinds: [kind], keeper, fields }: RankedRow): { key: string; group?: AttributeValue } {
    const { groupBy = 'note' } = this.query;
    if (groupBy === 'part') return { key: JSON.stringify([id, part, kind]) };
    if (groupBy === 'note') return { key: id, group: id };
    if (groupBy === 'duplicateCluster') return { key: keeper ?? id, group: keeper ?? id };
    const value = fields?.[milvusKey(groupBy.field)];
    const values = value === undefined ? [] : [...new Set([value].flat() as AttributeValue[])];
    return values.length === 1 ? { key: JSON.stringify(values), group: values[0] } : { key: id };
  }
}

const firstKind = ({ kinds: [first] }: { kinds: readonly Kind[] }): number => kinds.indexOf(first);

const byRank = (a: RankedRow, b: RankedRow): number =>
  b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) || a.part - b.part || firstKind(a) - firstKind(b);

function isBelow(row: RankedRow, { score, id, part, kind }: NonNullable<IndexQuery['after']>): boolean {
  if (row.score !== score) return row.score < score;
  if (row.id !== id) return row.id > id;
  if (row.part !== part) return row.part > part;
  return kind !== undefined && firstKind(row) > kinds.indexOf(kind);
}
