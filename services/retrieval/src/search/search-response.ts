import type { Result } from '@touchstone/contracts';
import type { ItemSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import type { FacetSchema, HitExplanationSchema, HitSchema, SearchExplanationSchema, SearchRequest, SearchResponseSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import type { AttributeValue } from '../index/vector-index.ts';
import { shownCosine } from './cosine.ts';
import { timeField } from './filter-reader.ts';
import type { RankedHit } from './rankings.ts';
import { candidateKinds } from './searched-spaces.ts';
import type { SearchAnswer } from './searches.service.ts';
import type { TaskName } from './tasks.ts';

type ItemMessage = Result<typeof ItemSchema>;

/** An answer as the contract says it. @param items by id; those that were asked for. */
export function toResponse(answer: SearchAnswer, request: SearchRequest, items: ReadonlyMap<string, ItemMessage>): Result<typeof SearchResponseSchema> {
  return {
    hits: answer.hits.map((hit) => toHit(hit, answer, request, items)),
    nextCursor: answer.nextCursor,
    isCut: answer.isCut,
    facets: request.facets.map((field) => toFacet(field, answer)),
    explanation: request.explain ? toExplanation(answer, request) : undefined,
  };
}

function toHit(hit: RankedHit, answer: SearchAnswer, { groupBy, explain }: SearchRequest, items: ReadonlyMap<string, ItemMessage>): Result<typeof HitSchema> {
  const { id, score, space, part, kinds, group } = hit;
  return {
    ...{ id, space, part },
    score: shownCosine(score),
    kinds: [...kinds],
    group: groupBy === undefined || group === undefined ? undefined : toValue(groupBy, group),
    explanation: explain ? toHitExplanation(hit, answer) : undefined,
    item: items.get(id),
  };
}

function toHitExplanation({ matches, score }: RankedHit, { spaces }: SearchAnswer): Result<typeof HitExplanationSchema> {
  const versions = new Map(spaces.map(({ space }) => [space.name, space.modelVersion]));
  return {
    matches: matches.map((match) => ({
      space: match.space,
      modelVersion: versions.get(match.space)!,
      id: match.id,
      part: match.part,
      kinds: [...match.kinds],
      cosine: shownCosine(match.score),
      rank: match.rank,
    })),
    fused: spaces.length > 1 ? score : undefined,
  };
}

function toExplanation({ position, spaces }: SearchAnswer, { task, dimensions }: SearchRequest): Result<typeof SearchExplanationSchema> {
  return {
    position,
    spaces: spaces.map(({ space, vectors, route, examined }) => ({
      space: space.name,
      modelVersion: space.modelVersion,
      dimensions: dimensions ?? space.dimension,
      vectors: vectors.length,
      kinds: [...(candidateKinds(task as TaskName | undefined) ?? [])],
      route,
      examined,
    })),
  };
}

function toFacet(field: string, { facets }: SearchAnswer): Result<typeof FacetSchema> {
  return { field, values: (facets.get(field) ?? []).map(({ value, count }) => ({ value: toValue(field, value), items: count })) };
}

function toValue(field: string, value: AttributeValue) {
  const shown = field === timeField ? new Date(value as number).toISOString() : value;
  if (typeof shown === 'number') return { kind: { case: 'numberValue', value: shown } } as const;
  return typeof shown === 'boolean' ? ({ kind: { case: 'boolValue', value: shown } } as const) : ({ kind: { case: 'stringValue', value: shown } } as const);
}
