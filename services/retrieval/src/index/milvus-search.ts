import { kindSet, kindsOf } from './kind-set.ts';
import { type Milvus, type MilvusRow } from './milvus.client.ts';
import { notInMilvus } from './milvus.errors.ts';
import { amongStrings, everything, kindsExpression, milvusExpression } from './milvus-expression.ts';
import { allRows, rankedRow } from './milvus-rows.ts';
import { leastNorm, padded, prefixCosine, product } from './milvus-prefix.ts';
import { RankedGroups, type RankedRow } from './ranked-groups.ts';
import type { IndexQuery, SearchResult } from './vector-index.ts';

/** Milvus returns no more rows than this at once. */
const mostRows = 16_384;
/** Of vectors, in one answer. */
const mostBytes = 32 * 1024 * 1024;
/** Up to so many matching rows are scored here, one by one: cheaper than a graph that finds too few of them. */
const fewRows = 2_000;
/** Before Milvus is asked for them a second time with a wider search. */
const firstRows = { whole: 64, prefix: 1_000 };
/** How far the graph is searched: under a filter further, because it leads over rows that do not match. */
const breadth = { plain: 256, filtered: 2_048, most: 32_768 };
/** Rows whose prefixes say how short those of others are. */
const sampledRows = 1_000;

/** A query with what it means to Milvus. */
interface Asked {
  readonly query: IndexQuery;
  /** Without those that ask. */
  readonly filter: string;
  /** With them: what counts as examined. */
  readonly matching: string;
  readonly columns: readonly string[];
  /** Numbers that are compared, when not all are. */
  readonly prefix?: number;
}

/**
 * Searches the rows of one space. Whole vectors are ranked by Milvus. For a prefix the graph is asked with the rest of the query
 * zero, which ranks rows by their prefixes times the prefixes' own lengths; the rows come with their vectors and are scored here, more
 * of them until a row that was not seen would need a shorter prefix than 99.5 % of a sample have.
 */
export class MilvusSearch {
  /** By the length of the prefix. */
  readonly #shortest = new Map<number, { readonly norm: number; readonly rows: number }>();

  constructor(
    private readonly milvus: Milvus,
    private readonly name: string,
    private readonly dimension: number,
  ) {}

  async search(query: IndexQuery): Promise<SearchResult> {
    const asked = this.#asked(query);
    const { filter, matching, columns, prefix } = asked;
    const isFiltered = filter !== everything;
    const [most, first, vector] = prefix ? [Math.min(mostRows, Math.floor(mostBytes / (4 * this.dimension))), firstRows.prefix, padded(query.vector, prefix)] : [mostRows, firstRows.whole, query.vector];

    for (let rows = Math.min(most, Math.max(first, 2 * query.limit)); ; rows = Math.min(most, rows * 8)) {
      const ef = Math.min(breadth.most, Math.max(isFiltered || prefix ? breadth.filtered : breadth.plain, rows * 2));
      const [examined, found] = await Promise.all([this.milvus.count(this.name, matching), this.milvus.search(this.name, vector, { filter, columns, limit: rows, ef })]);
      // All that is there was seen, or what was not seen ranks below what is wanted.
      if ((isFiltered || prefix) && examined <= fewRows) return this.#exact(asked, examined);
      const groups = new RankedGroups(query, prefix ? scored(found, query, prefix) : found.map((row) => rankedRow(row, Number(row.score))));
      const isAll = found.length >= examined;
      if (isAll || (prefix ? await this.#isSettled(groups, query, prefix, found, examined) : groups.isFull || groups.isBelowMinimum)) return { hits: groups.hits, examined, route: 'graph' };
      if (found.length < rows && examined <= mostRows) return this.#exact(asked, examined);
      if (rows < most) continue;
      if (prefix && groups.isFull) return { hits: groups.hits, examined, route: 'graph' };
      throw notInMilvus('/limit', `it shows the ${most} best of ${examined} rows, and they hold ${groups.hits.length} of ${query.limit} groups`);
    }
  }

  #asked(query: IndexQuery): Asked {
    const { vector, dimensions = vector.length, groupBy, exclude } = query;
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > this.dimension) throw new RangeError(`dimensions: expected an integer from 1 to ${this.dimension}, got ${dimensions}.`);
    const prefix = dimensions < this.dimension ? dimensions : undefined;
    if (prefix && product(vector, vector, prefix) === 0) throw new RangeError(`Query, space ${query.space}: its first ${prefix} numbers are zeros, which have no direction.`);
    const kindsHere = query.kinds ? kindsExpression(kindsOf(kindSet(query.kinds))) : everything;
    const matching = query.filter ? `${kindsHere} && ${milvusExpression(query.filter)}` : kindsHere;
    const filter = exclude?.length ? `${matching} && not (${amongStrings('item', exclude)})` : matching;
    const columns = ['key', 'item', 'position', 'part', 'kinds', 'keeper', ...(typeof groupBy === 'object' ? ['fields'] : []), ...(prefix ? ['vector'] : [])];
    return { query, filter, matching, columns, prefix };
  }

  /** Scores every row that matches, here. */
  async #exact({ query, filter, columns, prefix }: Asked, examined: number): Promise<SearchResult> {
    const rows = await allRows(this.milvus, this.name, 'key', filter, [...columns, 'vector']);
    return { hits: new RankedGroups(query, scored(rows, query, prefix)).hits, examined, route: 'exact' };
  }

  /** Whether a row that was not seen has a prefix that is too long to be among the hits. */
  async #isSettled(groups: RankedGroups, { minScore = -Infinity }: IndexQuery, prefix: number, found: readonly MilvusRow[], examined: number): Promise<boolean> {
    const wanted = groups.isFull ? groups.hits.at(-1)!.score : minScore;
    const last = Number(found.at(-1)?.score ?? 0);
    return wanted > 0 && last <= wanted * (await this.#shortestPrefix(prefix, examined));
  }

  /** Of all but the shortest 0.5 %; looked at again when there are twice as many rows. */
  async #shortestPrefix(prefix: number, rows: number): Promise<number> {
    const known = this.#shortest.get(prefix);
    if (known && known.rows >= rows / 2) return known.norm;
    const sample = await this.milvus.query(this.name, everything, ['vector'], sampledRows);
    const norm = leastNorm(sample.map(({ vector }) => vector as number[]), prefix);
    this.#shortest.set(prefix, { norm, rows });
    return norm;
  }
}

/** Rows with the score of their vectors; those without a direction in the prefix have none. */
function scored(rows: readonly MilvusRow[], { vector }: IndexQuery, prefix: number | undefined): RankedRow[] {
  return rows.map((row) => rankedRow(row, prefix ? prefixCosine(vector, row.vector as number[], prefix) : product(vector, row.vector as number[]))).filter(({ score }) => !Number.isNaN(score));
}
