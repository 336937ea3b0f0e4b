import { Injectable } from '@nestjs/common';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { Space } from '../collection/collection.entity.ts';
import type { Filter } from '../index/vector-index.ts';
import { ItemEmbedding } from '../item/item-embedding.service.ts';
import { itemNotFound } from '../item/item.errors.ts';
import type { Picture } from '../item/item-content.ts';
import { type CollectionView, CollectionViews } from './collection-views.service.ts';
import { reciprocalRankFusion } from './reciprocal-rank-fusion.ts';
import { noDirection, noJointSpace, spaceNeeded, spaceNotFound, wrongDimension } from './search.errors.ts';

/** Each space contributes at least this many ranks to a fusion. */
const fusionDepth = 100;

export type SearchQuery =
  | { readonly kind: 'item'; readonly id: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly image: Picture }
  | { readonly kind: 'vector'; readonly vector: readonly number[] };

export interface SearchInput {
  readonly query: SearchQuery;
  readonly space?: string;
  readonly filter?: Filter;
  readonly limit: number;
  readonly minPosition: number;
}

export interface Hit {
  readonly id: string;
  readonly score: number;
  readonly space: string;
  readonly part: number;
}

/** Vectors to look for in one space; an item is as similar as its best pair of parts. */
interface SpaceQuery {
  readonly space: string;
  readonly vectors: readonly Float32Array[];
}

@Injectable()
export class Searches {
  constructor(
    private readonly views: CollectionViews,
    private readonly embedding: ItemEmbedding,
  ) {}

  /** The items most similar to the query; exactly `limit` whenever that many match the filter. */
  async search(tenant: Tenant, name: string, { query, space, filter, limit, minPosition }: SearchInput, signal: AbortSignal): Promise<Hit[]> {
    const view = await this.views.current(tenant, name, minPosition, signal);
    const queries = await this.vectorsOf(view, query, space, signal);
    const exclude = query.kind === 'item' ? query.id : undefined;
    const depth = queries.length > 1 ? Math.max(limit, fusionDepth) : limit;
    const rankings = await Promise.all(queries.map((inSpace) => searchSpace(view, inSpace, { filter, limit: depth, exclude })));
    return rankings.length === 1 ? rankings[0] : fuse(rankings).slice(0, limit);
  }

  private async vectorsOf(view: CollectionView, query: SearchQuery, wanted: string | undefined, signal: AbortSignal): Promise<SpaceQuery[]> {
    const names = view.spaces.map(({ name }) => name);
    if (wanted !== undefined && !names.includes(wanted)) throw spaceNotFound(wanted, names);
    switch (query.kind) {
      case 'text': {
        const space = spaceFor('text', view.spaces, wanted);
        return [{ space: space.name, vectors: await this.embedding.embedTexts(space, [query.text], signal) }];
      }
      case 'image': {
        const space = spaceFor('image', view.spaces, wanted);
        return [{ space: space.name, vectors: await this.embedding.embedImages(space, [query.image.file], () => `/query/image/${query.image.source}`, signal) }];
      }
      case 'vector': {
        if (wanted === undefined && names.length > 1) throw spaceNeeded(names);
        const space = view.spaces.find(({ name }) => name === (wanted ?? names[0]))!;
        return [{ space: space.name, vectors: [normalised(query.vector, space.dimension)] }];
      }
      case 'item': {
        if (!view.index.has(query.id)) throw itemNotFound(view.name, query.id);
        return names
          .filter((name) => wanted === undefined || name === wanted)
          .map((name) => ({ space: name, vectors: view.index.vectors(query.id, name) }))
          .filter(({ vectors }) => vectors.length > 0);
      }
    }
  }
}

/** The space that a model embeds this kind of query into. */
function spaceFor(kind: 'text' | 'image', spaces: readonly Space[], wanted: string | undefined): Space {
  const space = spaces.find(({ name }) => name === kind);
  if (!space || (wanted !== undefined && wanted !== kind)) throw noJointSpace(kind, wanted ?? spaces[0].name);
  return space;
}

async function searchSpace(
  { index }: CollectionView,
  { space, vectors }: SpaceQuery,
  { filter, limit, exclude }: { filter?: Filter; limit: number; exclude?: string },
): Promise<Hit[]> {
  const results = await Promise.all(vectors.map((vector) => index.search({ space, vector, limit, filter, exclude: exclude === undefined ? [] : [exclude] })));
  const best = new Map<string, Hit>();
  for (const { hits } of results) {
    for (const hit of hits) {
      const known = best.get(hit.id);
      if (!known || hit.score > known.score) best.set(hit.id, { ...hit, space });
    }
  }
  // Each list holds its `limit` best, so the best of their union are the best of all.
  return [...best.values()].sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).slice(0, limit);
}

/** One ranking of several; a hit shows the part that ranked best. */
function fuse(rankings: readonly (readonly Hit[])[]): Hit[] {
  const best = new Map<string, { hit: Hit; rank: number }>();
  for (const ranking of rankings) {
    ranking.forEach((hit, rank) => {
      const known = best.get(hit.id);
      if (!known || rank < known.rank) best.set(hit.id, { hit, rank });
    });
  }
  const fused = reciprocalRankFusion(rankings.map((ranking) => ranking.map(({ id }) => id)));
  return fused.map(({ id, score }) => ({ ...best.get(id)!.hit, score }));
}

/** The vector with length 1. */
function normalised(values: readonly number[], dimension: number): Float32Array {
  if (values.length !== dimension) throw wrongDimension(dimension, values.length);
  const position = values.findIndex((value) => !Number.isFinite(value));
  if (position >= 0) throw noDirection(`number ${position} is ${values[position]}`);
  const length = Math.hypot(...values);
  if (length === 0) throw noDirection('all its numbers are 0');
  return Float32Array.from(values, (value) => value / length);
}
