import type { LabelledQuery } from '@touchstone/contracts/gen/touchstone/retrieval/v1/evaluation_pb';
import { Problem } from '@touchstone/contracts';
import { readFilter } from '../search/filter-reader.ts';
import type { SearchQuery } from '../search/search-query.ts';
import type { SearchInput } from '../search/searches.service.ts';
import type { TaskName } from '../search/tasks.ts';
import type { Judgements } from './ranking-metrics.ts';

/** A labelled query as a search, once its query was read. */
export function searchOf({ query, task, filter }: LabelledQuery, read: SearchQuery, { dimensions, limit }: { dimensions?: number; limit: number }): SearchInput {
  const asked = { query: read, space: query!.space, task: task as TaskName | undefined, ...filterOf(filter) };
  return { ...asked, dimensions, limit, minPosition: 0, groupBy: 'note', excludesSelf: true, facets: [], identity: [] };
}

/** @throws Problem invalid-request, as `readFilter`. */
export const filterOf = (filter: LabelledQuery['filter']) => (filter ? readFilter(filter, '/filter') : { filter: undefined, fields: [] });

export const judgementsOf = ({ relevant, grades }: LabelledQuery): Judgements => new Map(relevant.map((id, place) => [id, grades[place] ?? 1]));

/** A problem of a search as one of the request that names many; others as they are. */
export function pointingTo(index: number, error: unknown): unknown {
  if (!(error instanceof Problem)) return error;
  const { reason, detail, retryAfterSeconds } = error;
  const violations = error.violations.map((violation) => {
    const isOfQuery = violation.pointer !== undefined && /^\/(query|filter|task)(\/|$)/.test(violation.pointer);
    return isOfQuery ? { ...violation, pointer: `/queries/${index}${violation.pointer}` } : violation;
  });
  return new Problem({ reason, detail, violations, retryAfterSeconds }, { cause: error });
}
