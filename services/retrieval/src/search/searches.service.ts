import { Injectable } from '@nestjs/common';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { Space } from '../collection/spaces.ts';
import { completeVersions, indexKey, inVersion } from '../collection/versions.ts';
import type { FacetValue, Filter, GroupBy, IndexQuery, SearchResult } from '../index/vector-index.ts';
import type { CollectionView } from './collection-views.service.ts';
import { CollectionViews } from './collection-views.service.ts';
import { FieldNames } from './field-names.service.ts';
import type { NamedField } from './filter-reader.ts';
import { type Place, readCursor, type RequestIdentity, writeCursor } from './page-cursor.ts';
import { QueryVectors, type SpaceQuery } from './query-vectors.service.ts';
import { bestOfVectors, fuse, type RankedHit, rankedInSpace } from './rankings.ts';
import { cursorRefused, versionNotComplete } from './search.errors.ts';
import { itemsOf, sourcesOf } from './search-query.ts';
import { candidateKinds, type Wanted } from './searched-spaces.ts';

/** A query of several vectors has one ranking, of so many of each space; its pages are parts of it. */
export const rankingDepth = 1_000;

const facetValues = 100;

export interface SearchInput extends Wanted {
  readonly filter?: Filter;
  /** Fields that the request names. */
  readonly fields: readonly NamedField[];
  readonly limit: number;
  readonly minPosition: number;
  readonly cursor?: string;
  readonly groupBy: GroupBy;
  readonly excludesSelf: boolean;
  readonly minScore?: number;
  readonly facets: readonly string[];
  /** Searched in place of the active version of the space that keeps it. */
  readonly modelVersion?: string;
  /** What the request is, for its cursors: all but `limit`, `minPosition` and what is only shown. */
  readonly identity: RequestIdentity;
}

/** How one space was searched. */
export interface SearchedSpace extends SpaceQuery {
  readonly route: SearchResult['route'] | 'degraded';
  /** Rows that were compared, over all vectors. */
  readonly examined: number;
}

export interface SearchAnswer {
  readonly hits: readonly RankedHit[];
  readonly nextCursor?: string;
  /** Whether more matches though there is no next page. */
  readonly isCut: boolean;
  readonly facets: ReadonlyMap<string, readonly FacetValue[]>;
  /** Position of the log that was searched. */
  readonly position: number;
  readonly spaces: readonly SearchedSpace[];
}

/** A part of the ranking: the hits, and one more when there are more. */
interface Ranked {
  readonly hits: readonly RankedHit[];
  readonly spaces: readonly SearchedSpace[];
  /** Whether something that matches has no place in the ranking: it ends before. */
  readonly isCut: boolean;
}

@Injectable()
export class Searches {
  constructor(
    private readonly views: CollectionViews,
    private readonly vectors: QueryVectors,
    private readonly fieldNames: FieldNames,
  ) {}

  /** The items most similar to the query; exactly `limit` groups whenever that many match the filter. */
  async search(tenant: Tenant, name: string, input: SearchInput, signal: AbortSignal): Promise<SearchAnswer> {
    return this.views.reading(tenant, name, input.minPosition, signal, async (view) => {
      for (;;) {
        const spaces = view.spaces; // those of one moment: what becomes active meanwhile is for the next search
        try {
          return await this.searchIn(view, searchedVersions(spaces, input.modelVersion), [tenant.id, name], input, signal);
        } catch (error) {
          // The version was switched away and dropped since: searched in the one that is active now.
          if (!(error instanceof RangeError) || view.spaces === spaces) throw error;
        }
      }
    });
  }

  private async searchIn(view: CollectionView, asked: readonly Space[], owner: readonly string[], input: SearchInput, signal: AbortSignal): Promise<SearchAnswer> {
    await this.fieldNames.refuseUnknown(view, input.fields);
    const identity = [...owner, input.identity, asked.map((space) => [space.name, space.modelVersion])];
    const after = placeOf(input.cursor, identity);
    const queries = after?.embedded ? [embeddedBefore(after.embedded, asked)] : await this.vectors.of(view, asked, input, signal);

    const position = view.position;
    const { hits, spaces, isCut } = await (isOneVector(queries) ? nextOfOneVector(view, queries[0], input, after) : nextOfSeveral(view, queries, input, after));
    const facets = input.facets.length > 0 ? await view.index.facets(input.facets, input.filter, facetValues) : new Map<string, readonly FacetValue[]>();
    const shown = hits.slice(0, input.limit);
    const nextCursor = hits.length > input.limit ? writeCursor(placeAfter(shown, after, queries, input), identity) : undefined;
    return { hits: shown, nextCursor, isCut: isCut && nextCursor === undefined, facets, position, spaces };
  }
}

/** The spaces with one of them in another version. @throws Problem model-not-found when none keeps it complete */
export function searchedVersions(spaces: readonly Space[], modelVersion: string | undefined): readonly Space[] {
  if (modelVersion === undefined) return spaces;
  const inThatVersion = inVersion(spaces, modelVersion);
  if (!inThatVersion) throw versionNotComplete(modelVersion, spaces.flatMap(completeVersions));
  return inThatVersion;
}

const isOneVector = (queries: readonly SpaceQuery[]) => queries.length === 1 && queries[0].vectors.length === 1;

/** The index goes on after the last hit by itself, so there is no end to the pages but that of the matches. */
async function nextOfOneVector(view: CollectionView, query: SpaceQuery, input: SearchInput, after: Place | undefined): Promise<Ranked> {
  const { hits, searched } = await searchSpace(view, query, input, { limit: input.limit + 1, after });
  return { hits: rankedInSpace(hits, query.space.name, after?.shown ?? 0), spaces: [searched], isCut: false };
}

/**
 * Several vectors have one ranking that no page changes: each page makes it anew and takes its part. In one space the first
 * N of each vector are enough for the first N of all; a fused rank depends on how deep the rankings are, so their depth is
 * always the same.
 */
async function nextOfSeveral(view: CollectionView, queries: readonly SpaceQuery[], input: SearchInput, after: Place | undefined): Promise<Ranked> {
  const start = after?.shown ?? 0;
  const end = start + input.limit + 1;
  const depth = queries.length > 1 ? rankingDepth : Math.min(end, rankingDepth);
  const results = await Promise.all(queries.map((query) => searchSpace(view, query, input, { limit: depth + 1 })));
  const isCut = results.some(({ hits }) => hits.length > rankingDepth);
  const rankings = results.map(({ hits }, index) => ({ space: queries[index].space.name, hits: hits.slice(0, depth) }));
  const ranking = rankings.length > 1 ? fuse(rankings, input.groupBy) : rankedInSpace(rankings[0].hits, rankings[0].space, 0);
  return { hits: ranking.slice(start, end), spaces: results.map(({ searched }) => searched), isCut };
}

async function searchSpace(view: CollectionView, query: SpaceQuery, input: SearchInput, page: Pick<IndexQuery, 'limit' | 'after'>) {
  const { space, vectors } = query;
  const { task, dimensions, filter, groupBy, minScore } = input;
  const exclude = input.excludesSelf ? itemsOf(input.query) : [];
  const asked = { space: indexKey(space), kinds: candidateKinds(task), dimensions, filter, exclude, groupBy, minScore, ...page };
  const results = await Promise.all(vectors.map((vector) => view.index.search({ ...asked, vector })));
  const examined = results.reduce((sum, result) => sum + result.examined, 0);
  return { hits: bestOfVectors(results.map(({ hits }) => hits), groupBy, page.limit), searched: { ...query, route: view.isStandIn ? ('degraded' as const) : results[0].route, examined } };
}

function placeOf(cursor: string | undefined, identity: RequestIdentity): Place | undefined {
  if (cursor === undefined) return undefined;
  const place = readCursor(cursor, identity);
  if (!place) throw cursorRefused();
  return place;
}

/**
 * The query as the first page embedded it. A model may answer with another last bit when other inputs are in its batch, and
 * then equal scores would stand on the wrong side of the place.
 */
function embeddedBefore({ space: name, vector }: NonNullable<Place['embedded']>, spaces: readonly Space[]): SpaceQuery {
  const space = spaces.find((each) => each.name === name);
  if (!space || vector.length !== space.dimension || !vector.every(Number.isFinite)) throw cursorRefused();
  return { space, vectors: [vector] };
}

function placeAfter(shown: readonly RankedHit[], before: Place | undefined, queries: readonly SpaceQuery[], { query }: SearchInput): Place {
  const { score, id, part, kinds: [kind] } = shown.at(-1)!;
  const place = { shown: (before?.shown ?? 0) + shown.length, score, id, part, kind };
  if (!isOneVector(queries) || sourcesOf(query).every((source) => source.kind === 'item' || source.kind === 'vector')) return place;
  const [{ space, vectors: [vector] }] = queries;
  return { ...place, embedded: { space: space.name, vector } };
}
